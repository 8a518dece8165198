"""Services and pods as policy sees them, from objects as an API server gives them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from live.pods.proxy_container import proxy_container
from policy.world import Pods, Service, ServicePort

# Of one ReplicaSet or revision: pods of a Deployment that differ in these alone are alike to policy.
OF_ONE_REVISION = {"pod-template-hash", "controller-revision-hash"}
ENDED = {"Succeeded", "Failed"}


def service(item: Mapping[str, Any]) -> Service:
    """A Service."""
    spec = item.get("spec") or {}
    return Service(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        ports=tuple(
            ServicePort(port.get("name") or "", port["port"], port.get("appProtocol") or "")
            for port in spec.get("ports") or []
        ),
        selector=spec.get("selector") or {},
        type=spec.get("type") or "ClusterIP",
        headless=spec.get("clusterIP") == "None",
    )


def alike(pods: Iterable[Mapping[str, Any]]) -> list[Pods]:
    """Pods, those that policy cannot tell apart together; pods that have ended are left out.

    Args:
        pods: objects, read once.
    """
    ready: Counter[tuple[str, tuple[tuple[str, str], ...], bool, str]] = Counter()
    for pod in pods:
        status, spec = pod.get("status") or {}, pod["spec"]
        if status.get("phase") in ENDED:
            continue
        labels = {k: v for k, v in (pod["metadata"].get("labels") or {}).items() if k not in OF_ONE_REVISION}
        kind = (
            pod["metadata"]["namespace"],
            tuple(sorted(labels.items())),
            proxy_container(pod) is not None,
            spec.get("serviceAccountName") or "default",
        )
        ready[kind] += is_ready(pod)
    return [
        Pods(namespace, dict(labels), injected, count, account)
        for (namespace, labels, injected, account), count in ready.items()
    ]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a Service sends requests to a pod: it is ready, and not about to end.

    Args:
        pod: the pod, as JSON.
    """
    conditions = (pod.get("status") or {}).get("conditions") or []
    return "deletionTimestamp" not in pod["metadata"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )
