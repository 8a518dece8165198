"""Real Kubernetes clusters in separated regions on one Linux machine, in network namespaces."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.errors import LabError
    from lab.lab import Lab, Progress, lab_names
    from lab.plan import REGION_NAMES, RegionPlan
    from lab.status import LabStatus

__all__ = ["REGION_NAMES", "Lab", "LabError", "LabStatus", "Progress", "RegionPlan", "lab_names"]

_HOMES = {
    "LabError": "lab.errors",
    "Lab": "lab.lab",
    "Progress": "lab.lab",
    "lab_names": "lab.lab",
    "REGION_NAMES": "lab.plan",
    "RegionPlan": "lab.plan",
    "LabStatus": "lab.status",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: the controller on each router needs none of them, nor their memory."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
