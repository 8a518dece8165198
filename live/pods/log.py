"""A container's log, as text."""

from typing import Any

from kubernetes import client

from live.client import TIMEOUT


def pod_log(core: client.CoreV1Api, pod: Any, container: str, **options: Any) -> str:
    """The log of one container.

    Args:
        core: client of the pod's cluster.
        pod: the pod, as read.
        container: the container's name.
        options: as of read_namespaced_pod_log, for example tail_lines or since_seconds.

    Raises:
        kubernetes.client.exceptions.ApiException: the cluster does not give it.
    """
    # The client would turn the bytes of a log into the text of a Python literal.
    response = core.read_namespaced_pod_log(
        pod.metadata.name,
        pod.metadata.namespace,
        container=container,
        _preload_content=False,
        _request_timeout=TIMEOUT,
        **options,
    )
    return str(response.data.decode(errors="replace"))
