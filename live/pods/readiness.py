"""Why the pods of a namespace are not ready, in the words of Kubernetes."""

from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pods.log import pod_log

LOG_LINES = 3


def why_not_ready(access: ClusterAccess, namespace: str) -> list[str]:
    """One line for each pod that is not ready, and for each workload that cannot make its pods.

    Args:
        access: the cluster.
        namespace: where to look.
    """
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        pods = core.list_namespaced_pod(namespace, _request_timeout=TIMEOUT).items
        lines = [line for pod in pods if not is_ready(pod) for line in why_pod_not_ready(core, pod)]
        return lines + _refused_pods(core, namespace)


def is_ready(pod: Any) -> bool:
    """Whether a pod, as read, is ready, or has done its work."""
    return pod.status.phase == "Succeeded" or any(
        c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []
    )


def why_pod_not_ready(core: client.CoreV1Api, pod: Any) -> list[str]:
    """What Kubernetes says of a pod that is not ready, one line for each thing; events and logs where they are allowed.

    Args:
        core: client of the pod's cluster.
        pod: the pod, as read.
    """
    name = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
    lines = []
    statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
    for status in statuses:
        if status.state.waiting and status.state.waiting.reason != "PodInitializing":
            waiting = status.state.waiting
            lines.append(f"{name}, container {status.name}: {waiting.reason}: {waiting.message or status.image}")
        elif status.state.running and not status.ready:
            lines.append(f"{name}, container {status.name}: running, not ready")
        if status.restart_count:
            lines += [f"  its log: {line}" for line in _last_log_lines(core, pod, status)]
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status != "True":
            lines.append(f"{name}: {condition.reason}: {condition.message}")
    return lines + [f"  event: {e.reason}: {e.message}" for e in _warnings(core, pod)]


def _last_log_lines(core: client.CoreV1Api, pod: Any, status: Any) -> list[str]:
    try:
        text = pod_log(core, pod, status.name, previous=status.state.running is None, tail_lines=LOG_LINES)
    except ApiException:
        return []
    return text.strip().splitlines()


def _warnings(core: client.CoreV1Api, pod: Any) -> list[Any]:
    try:
        events = core.list_namespaced_event(
            pod.metadata.namespace,
            field_selector=f"involvedObject.uid={pod.metadata.uid},type=Warning",
            _request_timeout=TIMEOUT,
        ).items
    except ApiException:
        return []
    latest: dict[str, Any] = {event.reason: event for event in events}
    return list(latest.values())


def _refused_pods(core: client.CoreV1Api, namespace: str) -> list[str]:
    events = core.list_namespaced_event(
        namespace, field_selector="reason=FailedCreate,type=Warning", _request_timeout=TIMEOUT
    ).items
    return [
        f"{event.involved_object.kind} {namespace}/{event.involved_object.name}: {event.message}" for event in events
    ]
