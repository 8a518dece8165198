"""What follows from a mesh whose declared Istio versions differ from the installed ones: order, refusals, plan."""

from topology.upgrade.installed import Installed, Proxies
from topology.upgrade.leaving import leaving, still_used, unknown_labels
from topology.upgrade.order import changing, predecessors
from topology.upgrade.plan import ClusterPlan, Outdated, Surveyed, plan, with_version
from topology.upgrade.rules import refused

__all__ = [
    "ClusterPlan",
    "Installed",
    "Outdated",
    "Proxies",
    "Surveyed",
    "changing",
    "leaving",
    "plan",
    "predecessors",
    "refused",
    "still_used",
    "unknown_labels",
    "with_version",
]
