"""What follows from a mesh whose declared Istio versions differ from the installed ones: order, refusals, plan."""

from topology.upgrade.installed import Installed, Proxies
from topology.upgrade.order import changing, predecessors
from topology.upgrade.rules import refused

__all__ = ["Installed", "Proxies", "changing", "predecessors", "refused"]
