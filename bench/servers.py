"""The backends of the sample in one cluster: ended without notice, and brought back."""

import time
from collections.abc import Callable

from kubernetes import client

from lab.crash import crash_pod
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess

SERVER = "app=helloworld"
READY_SECONDS = 90
POLL_SECONDS = 0.1


class StillError(Exception):
    """Something did not come true in time."""


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something.

    Raises:
        StillError: it did not come true in time; the message has ``what``.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise StillError(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def end_servers(lab: str, access: ClusterAccess, namespace: str) -> None:
    """End the processes of every helloworld pod of a cluster at once, and let none come up again.

    Args:
        lab: name of the lab.
        access: the cluster.
        namespace: of the sample.

    Raises:
        lab.LabError: the cluster is not one of this lab.
    """
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        for pod in core.list_namespaced_pod(namespace, label_selector=SERVER, _request_timeout=TIMEOUT).items:
            crash_pod(lab, pod.metadata.uid)
        _scale(client.AppsV1Api(api), namespace, 0)


def restore_servers(access: ClusterAccess, namespace: str) -> None:
    """One pod of a cluster's helloworld again; returns when it is ready.

    Raises:
        StillError: it is not.
    """
    with api_client(access) as api:
        apps = client.AppsV1Api(api)
        name = _scale(apps, namespace, 1)

        def ready() -> bool:
            status = apps.read_namespaced_deployment_status(name, namespace, _request_timeout=TIMEOUT).status
            return bool(status.ready_replicas == 1 and status.replicas == 1)

        wait_until(ready, READY_SECONDS, f"cluster {access.name}: Deployment {name} ready")


def _scale(apps: client.AppsV1Api, namespace: str, replicas: int) -> str:
    found = apps.list_namespaced_deployment(namespace, _request_timeout=TIMEOUT).items
    name = next(d.metadata.name for d in found if d.spec.selector.match_labels.get("app") == SERVER.split("=")[1])
    scale = {"spec": {"replicas": replicas}}
    apps.patch_namespaced_deployment_scale(name, namespace, scale, _request_timeout=TIMEOUT)
    return str(name)
