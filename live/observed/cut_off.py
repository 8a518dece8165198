"""Pods of the east-west gateway that no istiod has: they go on by what they were told last."""

import time
from collections.abc import Sequence

from kubernetes import client

from health.observed import CutOff, EastWestGateway, Istiod, ObservedCluster, Unknown
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.observed.istiods import syncz
from live.pods.log import pod_log
from live.pods.port import ISTIOD_DEBUG, PodPortError, pod_http
from live.pods.proxy_container import PROXY
from live.reachability import UnreachableError, explained
from topology.defaults import NAMESPACE

# A proxy comes back by itself after the end of an istiod: mostly at once, and within this where it has to try again.
RECONNECT_SECONDS = 12.0
PAUSE_SECONDS = 1.0
LINES = 300
# Words of the agent (xdsproxy) and of Envoy (xds-grpc) about their way to istiod.
ABOUT, SEVERE = ("xds", "istiod"), ("warn", "error")


def read(
    access: ClusterAccess, cluster: ObservedCluster, istiods: Sequence[Istiod] | Unknown
) -> tuple[CutOff, ...] | Unknown:
    """The ready pods of a cluster's gateway that are among no istiod's proxies, and do not come to be in a moment.

    Args:
        access: the cluster.
        cluster: what was seen of it: the pods of its gateway.
        istiods: its istiods, with their proxies.
    """
    gateway = cluster.gateway
    if isinstance(istiods, Unknown):
        return istiods
    if isinstance(gateway, Unknown):
        return gateway
    ready = [each for each in istiods if each.ready]
    if not ready:
        return Unknown("no istiod is ready")
    if silent := [each for each in ready if not each.remotes]:
        return Unknown(f"istiod pod {silent[0].pod} does not say which proxies it has")
    try:
        missing = _missing(access, gateway, ready)
    except PodPortError as error:
        return Unknown(str(error), error.status)
    return tuple(CutOff(pod, _said(access, pod)) for pod in missing)


def _missing(access: ClusterAccess, gateway: EastWestGateway | None, istiods: Sequence[Istiod]) -> list[str]:
    ready = [pod.name for pod in gateway.pods if pod.ready and pod.proxy] if gateway else []
    known = {proxy.proxy for istiod in istiods for proxy in istiod.proxies}
    deadline = time.monotonic() + RECONNECT_SECONDS
    while missing := [name for name in ready if f"{name}.{NAMESPACE}" not in known]:
        if time.monotonic() > deadline:
            return missing
        time.sleep(PAUSE_SECONDS)
        known = {name for istiod in istiods for name in _proxies(access, istiod)}
    return []


def _proxies(access: ClusterAccess, istiod: Istiod) -> set[str]:
    with pod_http(access, istiod.pod, NAMESPACE, ISTIOD_DEBUG) as http:
        return {each.proxy for each in syncz(http)}


def _said(access: ClusterAccess, name: str) -> str:
    """The last warning of a pod's log about istiod; empty: there is none, or the log is not to be had."""
    warnings = [line for line in _log(access, name).splitlines() if _has(line, ABOUT) and _has(line, SEVERE)]
    return " ".join(warnings[-1].split()) if warnings else ""


def _log(access: ClusterAccess, name: str) -> str:
    try:
        with explained(access, "reading the log of the gateway"), api_client(access) as api:
            core = client.CoreV1Api(api)
            pod = core.read_namespaced_pod(name, NAMESPACE, _request_timeout=TIMEOUT)
            return pod_log(core, pod, PROXY, tail_lines=LINES)
    except UnreachableError:
        return ""


def _has(line: str, words: Sequence[str]) -> bool:
    return any(word in line.lower() for word in words)
