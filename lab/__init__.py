"""Real Kubernetes clusters in separated regions on one Linux machine, in network namespaces."""

from lab.errors import LabError
from lab.lab import Lab, Progress, lab_names
from lab.plan import REGION_NAMES, RegionPlan
from lab.status import LabStatus

__all__ = ["REGION_NAMES", "Lab", "LabError", "LabStatus", "Progress", "RegionPlan", "lab_names"]
