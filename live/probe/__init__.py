"""The probe workload: made in every cluster, asked for real traffic, removed."""

from live.probe.objects import NAMESPACE, OUTSIDE, PROBE
from live.probe.run import READY_SECONDS, REQUESTS, RUN_SECONDS, Probe
from live.probe.site import ProbeError, Site

__all__ = ["NAMESPACE", "OUTSIDE", "PROBE", "READY_SECONDS", "REQUESTS", "RUN_SECONDS", "Probe", "ProbeError", "Site"]
