"""The container of a pod that is Istio's proxy: of a sidecar, a native one too, and of a gateway."""

from collections.abc import Mapping
from typing import Any

PROXY = "istio-proxy"


def proxy_container(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The proxy's container as the pod declares it; None: the pod has none.

    A native sidecar is an init container that goes on running
    (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers).

    Args:
        pod: the pod, as JSON.
    """
    return _proxy_of(pod["spec"], "containers", "initContainers")


def proxy_runs(pod: Mapping[str, Any]) -> bool:
    """Whether the proxy's container runs; that of a native sidecar does so while the pod may still be Pending.

    Args:
        pod: the pod, as JSON.
    """
    status = _proxy_of(pod.get("status") or {}, "containerStatuses", "initContainerStatuses")
    return status is not None and "running" in (status.get("state") or {})


def _proxy_of(part: Mapping[str, Any], *lists: str) -> Mapping[str, Any] | None:
    return next((each for key in lists for each in part.get(key) or () if each["name"] == PROXY), None)
