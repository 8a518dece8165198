"""What each istiod says of itself: the clusters that it reads, the gateways and proxies that it knows."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from health.observed import Istiod, NetworkGateway, ProxySync
from live.client import TIMEOUT
from live.observed.asked import Asked
from live.pods.port import ISTIOD_DEBUG, ISTIOD_MONITORING, PodHttp, PodPortError, pod_http
from live.pods.readiness import is_ready, why_pod_not_ready
from live.remote_access.clusters import clusterz
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE
from topology.revisions import DEFAULT, LABEL

# istiod trusts what comes from its own pod, and asks for no token there (istio: pilot/pkg/xds/debug.go).
SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{.*\})? (?P<value>\S+)$", re.MULTILINE)
# Sums over the first say nothing, and there are hundreds; the others are of the process, not of the mesh.
BUCKETS, OF_THE_PROCESS = "_bucket", ("go_", "process_")
KINDS = {"CDS": "cluster", "LDS": "listener", "EDS": "endpoint", "RDS": "route"}
TYPES = {
    "CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}


def read(asked: Asked) -> tuple[Istiod, ...]:
    """Every istiod pod; one that is not ready, or does not answer, with the reason."""
    pods = asked.core.list_namespaced_pod(NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT).items
    here = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    if len(here) == 1:
        return (_istiod(asked, here[0]),)
    with ThreadPoolExecutor(max_workers=max(1, len(here))) as pool:
        return tuple(pool.map(lambda pod: _istiod(asked, pod), here))


def _istiod(asked: Asked, pod: Any) -> Istiod:
    name, ready, revision = pod.metadata.name, is_ready(pod), (pod.metadata.labels or {}).get(LABEL) or DEFAULT
    states = [s.state.running for s in pod.status.container_statuses or [] if s.name == "discovery"]
    started = states[0].started_at if states and states[0] else None
    if not ready:
        return Istiod(
            name,
            ready,
            "; ".join(why_pod_not_ready(asked.core, pod)) or "not ready",
            started=started,
            revision=revision,
        )
    try:
        with pod_http(asked.access, name, NAMESPACE, ISTIOD_DEBUG) as http:
            remotes, gateways, proxies = clusterz(http), http.json("/debug/networkz"), syncz(http)
        with pod_http(asked.access, name, NAMESPACE, ISTIOD_MONITORING) as http:
            version, metrics = http.text("/version"), http.text("/metrics")
    except PodPortError as error:
        return Istiod(name, ready, str(error), started=started, revision=revision)
    return Istiod(
        name,
        ready,
        version=istio_version(version),
        started=started,
        remotes=remotes,
        gateways=tuple(NetworkGateway(g["Network"], g["Cluster"], g["Addr"], g["Port"]) for g in gateways or ()),
        proxies=proxies,
        metrics=sums(metrics),
        revision=revision,
    )


def istio_version(text: str) -> str:
    """``1.22.3`` from ``1.22.3-1e0dc8dd-Clean``: istiod says version, revision and state of its build."""
    return text.strip().rsplit("-", 2)[0]


def syncz(http: PodHttp) -> tuple[ProxySync, ...]:
    """The proxies that are connected to an istiod.

    Args:
        http: its debug port.

    Raises:
        PodPortError: it does not answer.
    """
    return tuple(proxy_sync(each) for each in http.json("/debug/syncz") or ())


def proxy_sync(said: Mapping[str, Any]) -> ProxySync:
    """One entry of /debug/syncz.

    A nonce for each kind that was sent and one that was acknowledged; newer istiods also say what the proxy rejected.
    """
    resources = {kind: (said.get("resources") or {}).get(url) or {} for kind, url in TYPES.items()}
    return ProxySync(
        proxy=said["proxy"],
        cluster=said.get("cluster_id", ""),
        type=said.get("proxy_type", ""),
        version=said.get("istio_version", ""),
        states={
            kind: _state(said.get(f"{word}_sent"), said.get(f"{word}_acked"), resources[kind])
            for kind, word in KINDS.items()
        },
        errors={kind: resource["lastError"] for kind, resource in resources.items() if resource.get("lastError")},
    )


def _state(sent: str | None, acknowledged: str | None, resource: Mapping[str, Any]) -> str:
    if resource.get("lastError"):
        return "REJECTED"
    if not sent:
        return "NOT SENT"
    return "SYNCED" if sent == acknowledged else "STALE"


def sums(text: str) -> Mapping[str, float]:
    """By name, the sum of a metric over all of its labels.

    Args:
        text: Prometheus' text format.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for name, value in _samples(text):
        found[name] += value
    return dict(found)


def _samples(text: str) -> Iterable[tuple[str, float]]:
    for match in SAMPLE.finditer(text):
        if not match["name"].endswith(BUCKETS) and not match["name"].startswith(OF_THE_PROCESS):
            yield match["name"], float(match["value"])
