"""The gateway drill: a pod of an east-west gateway is deleted while another network's client sends requests there."""

import time
from typing import Any

from kubernetes import client

from health.drill import Drill
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.observed.gateway import SERVICE
from live.pods.readiness import is_ready
from live.probe.drills.watch import Watch, watching
from live.probe.run import Probe
from topology.defaults import NAMESPACE

NAME = "gateway-kill"
BEFORE_SECONDS = 2
READY_SECONDS = 120
BACK_SECONDS = 30
AFTERWARDS_SECONDS = 2
POLL_SECONDS = 0.3


def gateway_kill(probe: Probe, client_cluster: str, peer: str) -> Drill:
    """Delete one pod of a gateway, and wait until its Deployment has made another one.

    Args:
        probe: the probe.
        client_cluster: Istio's name of the cluster whose client asks, on another network.
        peer: Istio's name of the gateway's cluster.
    """
    access = probe.accesses[peer]
    title = f"a pod of the east-west gateway of {peer} is deleted while {client_cluster} sends requests there"
    with watching(probe.sites[client_cluster]) as watch:
        reason, undone = _play(watch, access, peer)
    return Drill(NAME, title, client_cluster, peer, watch.samples, tuple(watch.marks), reason, undone)


def _play(watch: Watch, access: ClusterAccess, peer: str) -> tuple[str, bool]:
    if not watch.wait("answers through the gateway", lambda a: a.cluster == peer, 0, BACK_SECONDS):
        return f"{peer} answered nothing before: there is nothing to disturb", True
    time.sleep(BEFORE_SECONDS)
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        pods = _pods(core)
        ready = [pod for pod in pods if is_ready(pod)]
        if not ready:
            return f"the gateway of {peer} has no ready pod", True
        watch.mark("gateway pod deleted")
        core.delete_namespaced_pod(ready[0].metadata.name, NAMESPACE, _request_timeout=TIMEOUT)
        replaced = _replaced(core, {pod.metadata.uid for pod in pods}, len(ready))
    if not replaced:
        return (
            f"{len(ready)} pods of the gateway of {peer} were ready, and are not again after {READY_SECONDS} s",
            False,
        )
    since = watch.mark("gateway pod replaced")
    if watch.wait("first answer of the replaced gateway", lambda a: a.cluster == peer, since, BACK_SECONDS):
        time.sleep(AFTERWARDS_SECONDS)
    return "", True


def _replaced(core: client.CoreV1Api, before: set[str], number: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        ready = [pod for pod in _pods(core) if is_ready(pod) and pod.metadata.deletion_timestamp is None]
        if len(ready) >= number and any(pod.metadata.uid not in before for pod in ready):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _pods(core: client.CoreV1Api) -> list[Any]:
    service = core.read_namespaced_service(SERVICE, NAMESPACE, _request_timeout=TIMEOUT)
    labels = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
    return list(core.list_namespaced_pod(NAMESPACE, label_selector=labels, _request_timeout=TIMEOUT).items)
