"""SM66x: whether proxies have taken what istiod gave them, and come through to the gateways of other networks."""

from collections.abc import Callable, Iterator, Sequence

from packaging.version import Version

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import Istiod, Observed, ObservedCluster, ProxySync, Unknown
from health.proxy import Proxy, Upstream
from topology.checks.istio import version

STATUS = "https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/"
NAMED = 3
REASON = 300
# Fewer may be chance: a pod that ended, a gateway that was replaced.
MANY = 3

REJECTED = Cause(
    "SM661",
    "proxy rejects its configuration",
    "error",
    symptom="New Services, endpoints or policy reach some pods never, others do; `istioctl proxy-status` says STALE or "
    "ERROR, the proxy logs `gRPC config for … rejected`",
    cause="Envoy does not accept what istiod sends (NACK): mostly what an EnvoyFilter wrote, or a field that this "
    "version of the proxy does not know",
    cure="The message has Envoy's own words. Take back or correct the EnvoyFilter (`kubectl get envoyfilter -A`), or "
    "bring the proxy to istiod's version: restart its pod",
    source=STATUS,
)
STALE = Cause(
    "SM662",
    "proxy is behind",
    "warning",
    symptom="Some pods send requests to endpoints that are gone, or do not know new ones",
    cause="istiod has sent something and the proxy has not acknowledged it seconds later: the proxy or istiod is out "
    "of CPU, or the connection between them hangs",
    cure="Look at the CPU of istiod and of the proxy; restart the pod if it stays so",
    source=STATUS,
)
SKEW = Cause(
    "SM663",
    "proxy of a version that istiod does not support",
    "warning",
    symptom="Nothing yet; what the older side does not know of the newer one may be rejected or left out",
    cause="The pod was not restarted after an update of istiod; Istio supports proxies one minor version older than "
    "istiod, and none that is newer",
    cure="Restart the pods: `kubectl rollout restart` of their Deployments",
    source="https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew",
)
UNCONNECTED = Cause(
    "SM665",
    "a proxy's connections to a gateway fail",
    "warning",
    symptom="Requests to the other cluster fail with `upstream connect error` and the flags UF,URX, or stay local",
    cause="The gateway's address does not answer from here, or TLS with the pods behind it does not come about: "
    "Envoy counts both alike",
    cure="`spanmesh verify` tries port 15443 from a pod of every cluster and tells who answers; `spanmesh explain` "
    "follows one request",
    source="https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters",
)

PROXY_SYNC = Check(
    "proxy-sync",
    "every proxy has taken what istiod sent, and is of a version that istiod supports",
    (REJECTED, STALE, SKEW),
    needs=("api-servers", "istiods"),
)
CONNECTIONS = Check(
    "gateway-connections",
    "connections of a few clients to the gateways of other networks come about",
    (UNCONNECTED,),
    needs=("api-servers", "istiods", "trust-chains", "trust-roots", "trust-proxies", "gateways", "gateway-ports"),
)


def _answering(cluster: ObservedCluster) -> tuple[Istiod, ...] | str:
    """The istiods that say which proxies they have; or why that is not known."""
    if reason := unanswered(cluster):
        return reason
    if isinstance(cluster.istiods, Unknown):
        return cluster.istiods.reason
    # One that answers lists its own cluster at least.
    return tuple(istiod for istiod in cluster.istiods if istiod.remotes) or "no istiod says which proxies it has"


def _proxy_sync(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        istiods = _answering(cluster)
        if isinstance(istiods, str):
            yield skipped(PROXY_SYNC, istiods, name)
            continue
        told = {} if isinstance(cluster.proxies, Unknown) else {each.proxy: each for each in cluster.proxies}
        own = {each.proxy: each for istiod in istiods for each in istiod.proxies if each.cluster == name}
        wrong = list(_of_cluster(name, list(own.values()), told, istiods))
        yield from wrong or [ok(PROXY_SYNC, name, message=f"{len(own)} proxies")]


def _of_cluster(
    name: str, own: Sequence[ProxySync], told: dict[str, Proxy], istiods: Sequence[Istiod]
) -> Iterator[Result]:
    rejecting = {each.proxy: _rejections(each, told.get(each.proxy)) for each in own}
    # What many proxies say of one EnvoyFilter is one finding.
    by_reason: dict[str, list[str]] = {}
    for proxy, refused in rejecting.items():
        for reason in refused:
            by_reason.setdefault(reason, []).append(proxy)
    for reason, names in by_reason.items():
        yield found(PROXY_SYNC, REJECTED, f"{_listed(names)} rejected {reason}", name)
    behind = [
        f"{each.proxy} ({', '.join(kinds)})" for each in own if (kinds := _stale(each)) if not rejecting[each.proxy]
    ]
    if behind:
        yield found(PROXY_SYNC, STALE, f"{_listed(behind)} did not acknowledge what istiod sent", name)
    versions = [number for istiod in istiods if (number := version(istiod.version)) is not None]
    if versions and (apart := [each for each in own if _unsupported(version(each.version), max(versions))]):
        proxies = _listed([f"{each.proxy} ({each.version})" for each in apart])
        yield found(PROXY_SYNC, SKEW, f"istiod is {max(versions)}: {proxies}", name)


def _rejections(sync: ProxySync, told: Proxy | None) -> list[str]:
    said = {each.type: each.reason for each in (told.rejected if told else ())}
    said |= {kind: sync.errors.get(kind, said.get(kind, "")) for kind, s in sync.states.items() if s == "REJECTED"}
    return [f"{kind}: {_short(reason) or 'its log says why'}" for kind, reason in said.items()]


def _short(reason: str) -> str:
    """Envoy says the same of every listener, a line for each."""
    text = "; ".join(line.strip() for line in reason.splitlines() if line.strip())
    return f"{text[:REASON]} …" if len(text) > REASON else text


def _stale(sync: ProxySync) -> list[str]:
    return [kind for kind, state in sync.states.items() if state == "STALE"]


def _unsupported(proxy: Version | None, istiod: Version) -> bool:
    if proxy is None:
        return False
    return proxy.major != istiod.major or not 0 <= istiod.minor - proxy.minor <= 1


def _connections(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        if reason := unanswered(cluster) or (cluster.proxies.reason if isinstance(cluster.proxies, Unknown) else ""):
            yield skipped(CONNECTIONS, reason, name)
        elif not isinstance(cluster.proxies, Unknown):
            yield from _of_proxies(name, cluster.proxies, _owner(observed))


def _owner(observed: Observed) -> Callable[[str], str]:
    """Which cluster's gateway an address is, as far as the gateways were seen."""
    owners = {
        address: name
        for name, cluster in observed.clusters.items()
        if cluster.gateway is not None and not isinstance(cluster.gateway, Unknown)
        for address in cluster.gateway.addresses
    }
    return lambda address: owners.get(address.rpartition(":")[0], "")


def _of_proxies(name: str, proxies: Sequence[Proxy], owner: Callable[[str], str]) -> Iterator[Result]:
    looked_at = [proxy for proxy in proxies if proxy.upstreams]
    wrong = False
    for proxy in looked_at:
        for upstream in proxy.upstreams:
            if why := _failing(upstream):
                wrong = True
                peer = owner(upstream.address)
                what = f"{upstream.address}{f', the gateway of {peer}' if peer else ''}"
                yield found(CONNECTIONS, UNCONNECTED, f"proxy {proxy.proxy} to {what}: {why}", name, peer)
    if not looked_at:
        yield nobody(CONNECTIONS, name, proxies)
    elif not wrong:
        tried = sum(upstream.connections for proxy in looked_at for upstream in proxy.upstreams)
        yield ok(CONNECTIONS, name, message=f"{tried} connections of {len(looked_at)} proxies")


def nobody(check: Check, name: str, proxies: Sequence[Proxy]) -> Result:
    """What a check of clients says where none of the sidecars that were asked sends anything to another network."""
    if silent := [each.problem for each in proxies if each.type == "sidecar" and each.problem]:
        return skipped(check, silent[0], name)
    return ok(check, name, message="no client of Services on another network")


def _failing(upstream: Upstream) -> str:
    """Why connections may be said to fail now; empty: they do not, or did so once, which nothing takes back."""
    if upstream.failed >= MANY and upstream.lately_failed and upstream.lately_failed == upstream.lately:
        return f"{upstream.lately_failed} connections failed within a second, and none came about"
    if upstream.ejected and upstream.failed >= MANY:
        return f"ejected by outlier detection for {upstream.ejected} Services; {upstream.failed} connections failed"
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{'proxies' if len(names) > 1 else 'proxy'} {', '.join(names[:NAMED])}{more}"


EXAMINED = (Examined(PROXY_SYNC, _proxy_sync), Examined(CONNECTIONS, _connections))
