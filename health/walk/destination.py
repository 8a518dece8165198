"""From a cluster of the client's proxy to its endpoints: subset, localities, health, gateways, and TLS to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from envoy.cluster import Cluster, Subset, UpstreamTls, subset_of
from envoy.endpoint import Endpoint, shares
from health.check import Cause
from health.checks.request import NO_ENDPOINT, NO_SUBSET, RAW_ADDRESS, TLS_MODE, UNHEALTHY, UNINJECTED
from health.walk.facts import Pod, Proxy, Service, Site, Unread, subset_labels
from health.walk.step import Step, broken, doubtful, fine

GATEWAY_PORT = 15443


@dataclass(frozen=True)
class Gateway:
    """Address of an east-west gateway."""

    address: str
    cluster: str
    network: str


@dataclass(frozen=True)
class Way:
    """One next hop: a gateway, or pods that are alike.

    Attributes:
        endpoint: the first of them.
        alike: how many more are like it.
        gateway: the gateway that it is; None: it is a pod.
        tls: TLS to it; None: plain text.
    """

    endpoint: Endpoint
    alike: int
    gateway: Gateway | None
    tls: UpstreamTls | None


@dataclass(frozen=True)
class Reached:
    """A cluster of the client's proxy, looked at.

    Attributes:
        step: what to show.
        beside: what is wrong beside the ways that requests take.
        ways: where requests go.
        subset: what the cluster's name says.
    """

    step: Step
    beside: tuple[Step, ...] = ()
    ways: tuple[Way, ...] = ()
    subset: Subset | None = None


def reach(
    name: str, proxy: Proxy, here: Site, others: Sequence[Site], gateways: Sequence[Gateway], route: Sequence[str] = ()
) -> Reached:
    """Where requests of a cluster go.

    Args:
        name: Envoy's cluster, as a route names it.
        proxy: the client's.
        here: the client's cluster.
        others: all others.
        gateways: the east-west gateways of the mesh.
        route: what the route was declared by.
    """
    subset, cluster = subset_of(name), proxy.config.clusters.get(name)
    if cluster is None:
        return Reached(_missing(name, subset, here, others, route), subset=subset)
    endpoints, declared = proxy.endpoints(name), here.declared(cluster.origin)
    sites = (here, *others)
    if not endpoints and cluster.type in ("EDS", "STATIC"):
        cause, why, cure = _nobody(subset, here, others)
        said = f"{name} has no endpoint: {'; '.join(why)}"
        return Reached(broken("cluster", here.name, cause, said, declared=declared, cure=cure), subset=subset)
    if not endpoints:
        # ORIGINAL_DST, DNS without an answer yet: the address decides.
        return Reached(fine("cluster", here.name, f"{name}, {cluster.type}", declared=declared), subset=subset)
    taking = shares(endpoints)
    lines = tuple(_line(each, taking, gateways) for each in sorted(endpoints, key=lambda e: (e.priority, e.locality)))
    if not taking:
        said = f"{name} has {len(endpoints)} endpoints, and none is healthy"
        return Reached(broken("cluster", here.name, UNHEALTHY, said, *lines, declared=declared), subset=subset)
    said = f"{name}, {len(endpoints)} endpoint{'s' * (len(endpoints) != 1)}"
    step = fine("cluster", here.name, said, *lines, declared=declared)
    beside = tuple(_left_out(subset, here, others, endpoints, gateways))
    return Reached(step, beside, tuple(_ways(cluster, endpoints, taking, gateways, sites)), subset)


def _missing(name: str, subset: Subset | None, here: Site, others: Sequence[Site], route: Sequence[str]) -> Step:
    if subset is None or not subset.subset:
        said = f"the proxy has no cluster {name} (NC): {here.name} has no such Service or port"
        return broken(
            "cluster", here.name, NO_SUBSET, said, declared=tuple(route), cure="Correct the route's host and port"
        )
    rules = here.rules_for(subset.host)
    has = "; ".join(f"{rule} has {', '.join(_subsets(rule.spec)) or 'no subsets'}" for rule in rules)
    said = f"{here.name} has no DestinationRule of {subset.host} with subset {subset.subset} (NC)"
    said += f"; {has}" if has else ""
    by = [
        (site.name, rule)
        for site in others
        for rule in site.rules_for(subset.host)
        if subset.subset in _subsets(rule.spec)
    ]
    said += "".join(f"; {other} has: {rule}" for other, rule in by)
    cure = f"Mirror {by[0][1]} to {here.name}" if by else ""
    return broken("cluster", here.name, NO_SUBSET, said, declared=tuple(route), cure=cure)


def _subsets(spec: Mapping[str, object]) -> list[str]:
    given = spec.get("subsets")
    return [str(each.get("name")) for each in given] if isinstance(given, list) else []


def gateway_of(endpoint: Endpoint, gateways: Sequence[Gateway]) -> Gateway | None:
    """The east-west gateway that an endpoint is; None where it is a pod.

    One whose address no Service has (a host name that istiod resolved) is told by its port and by having no workload.
    """
    for gateway in gateways:
        if gateway.address == endpoint.address:
            return gateway
    if endpoint.port == GATEWAY_PORT and not endpoint.workload:
        return Gateway(endpoint.address, endpoint.cluster, "")
    return None


def _line(endpoint: Endpoint, taking: Mapping[int, float], gateways: Sequence[Gateway]) -> str:
    gateway = gateway_of(endpoint, gateways)
    if gateway:
        what = f"gateway of {gateway.cluster or 'another network'}{f' ({gateway.network})' if gateway.network else ''}"
    else:
        what = f"pod of {endpoint.namespace}/{endpoint.workload}, {endpoint.cluster}" if endpoint.workload else "pod"
    health = ", ".join(endpoint.failing) or endpoint.eds_health.lower() or "healthy"
    share = f"{taking.get(endpoint.priority, 0):.0%} of requests" if endpoint.healthy else "no requests"
    locality = endpoint.locality or "no locality"
    return f"{endpoint}: {what}, {locality}, priority {endpoint.priority} ({share}), weight {endpoint.weight}, {health}"


def _ways(
    cluster: Cluster,
    endpoints: Sequence[Endpoint],
    taking: Mapping[int, float],
    gateways: Sequence[Gateway],
    sites: Sequence[Site],
) -> Iterator[Way]:
    groups: dict[tuple[str, ...], list[Endpoint]] = {}
    for each in endpoints:
        if not each.healthy or each.priority not in taking:
            continue
        gateway = gateway_of(each, gateways)
        if gateway is not None:
            key: tuple[str, ...] = ("gateway", gateway.cluster or gateway.address)
        else:
            key = ("pod", each.cluster, each.namespace, each.workload or each.address)
        groups.setdefault(key, []).append(each)
    for group in groups.values():
        first = group[0]
        yield Way(first, len(group) - 1, gateway_of(first, gateways), cluster.tls_to(first.labels))


def security(way: Way, cluster: str, here: Site, declared: Sequence[str]) -> Step:
    """How the connection to a next hop is secured, and whether that hop can be reached so.

    Args:
        way: the next hop.
        cluster: Envoy's name of the cluster.
        here: the client's cluster.
        declared: the DestinationRule of the cluster.
    """
    tls, to = way.tls, f"gateway {way.endpoint}" if way.gateway else f"pod {way.endpoint}"
    if tls is None:
        if way.gateway:
            said = f"plain text to {to}, which tells by the SNI of mutual TLS alone where to pass it on"
            return broken("tls", here.name, TLS_MODE, said, declared=tuple(declared))
        return fine("tls", here.name, f"plain text to {to}")
    if way.gateway and not (tls.istio_mutual and subset_of(tls.sni)):
        said = f"TLS to {to} with SNI {tls.sni or 'none'}, which is none of Istio's: the gateway passes on only those"
        return broken("tls", here.name, TLS_MODE, said, declared=tuple(declared))
    kind = "mutual TLS of Istio" if tls.istio_mutual else "TLS"
    names = ", ".join(f"{text}" if how == "exact" else f"{how} {text}" for how, text in tls.sans) or "any name"
    said = f"{kind} to {to}, SNI {tls.sni or 'none'}"
    return fine("tls", here.name, said, f"the server has to be {names}")


def misplaced(way: Way, here: Site, sites: Sequence[Site]) -> Step | None:
    """What is wrong with the address of a pod: it is on another network; None: nothing.

    Args:
        way: the next hop.
        here: the client's cluster.
        sites: all clusters.
    """
    network = next((site.network for site in sites if site.name == way.endpoint.cluster), here.network)
    if way.gateway or network == here.network:
        return None
    said = (
        f"{way.endpoint} is the address of a pod of {way.endpoint.cluster} on {network}, which pods of {here.network} "
        f"cannot reach: istiod of {here.name} knows no gateway of {network}"
    )
    return broken("endpoint", here.name, RAW_ADDRESS, said)


def _left_out(
    subset: Subset | None,
    here: Site,
    others: Sequence[Site],
    endpoints: Sequence[Endpoint],
    gateways: Sequence[Gateway],
) -> Iterator[Step]:
    """Clusters with pods that should take requests, and get none of this client."""
    if subset is None:
        return
    led = {gateway.cluster for each in endpoints if (gateway := gateway_of(each, gateways))}
    led |= {each.cluster for each in endpoints}
    for site in others:
        if site.name in led or not (fit := _fitting(site, subset, here)):
            continue
        if site.network != here.network and not any(pod.sidecar for pod in fit):
            said = f"{len(fit)} ready pods in {site.name} get no requests of {here.name}: they have no sidecar"
            yield doubtful("endpoint", site.name, UNINJECTED, said, ", ".join(str(pod) for pod in fit))
        elif (name := _port_name(subset, here, site)) is not None:
            yield doubtful("endpoint", site.name, NO_ENDPOINT, f"pods in {site.name} get no requests: {name}")


def _fitting(site: Site, subset: Subset, here: Site) -> list[Pod]:
    labels = subset_labels(here.rules_for(subset.host), subset.subset) if subset.subset else {}
    return [pod for pod in site.known_pods if pod.ready and pod.has(labels or {})]


def _port_name(subset: Subset, here: Site, site: Site) -> str | None:
    if not isinstance(here.service, Service) or not isinstance(site.service, Service):
        return None
    ours, theirs = here.service.port(subset.port), site.service.port(subset.port)
    if theirs is None:
        return f"{site.name}'s Service has no port {subset.port}"
    if ours is not None and ours.name != theirs.name:
        return f"port {subset.port} is called {theirs.name!r} in {site.name} and {ours.name!r} in {here.name}"
    return None


def _nobody(subset: Subset | None, here: Site, others: Sequence[Site]) -> tuple[Cause, list[str], str]:
    """The cause of there being no endpoint, what each cluster has to do with it, and a cure."""
    why: list[str] = []
    cause, cure = NO_ENDPOINT, ""
    if subset is None:
        return cause, ["istiod gave none"], cure
    labels = subset_labels(here.rules_for(subset.host), subset.subset) if subset.subset else {}
    for site in (here, *others):
        if isinstance(site.service, Unread) or isinstance(site.pods, Unread):
            why.append(f"{site.name} cannot be read")
        elif site.service is None:
            why.append(f"{site.name} has no such Service")
        elif (name := _port_name(subset, here, site)) is not None:
            why.append(name)
        elif not site.pods:
            selector = ", ".join(f"{key}={value}" for key, value in site.service.selector.items()) or "nothing"
            why.append(f"in {site.name} the Service selects no pod ({selector})")
        elif labels and not any(pod.has(labels) for pod in site.pods):
            wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
            why.append(f"no pod of the Service in {site.name} has subset {subset.subset}'s labels ({wanted})")
        elif not (fit := _fitting(site, subset, here)):
            unready = ", ".join(str(pod) for pod in site.pods if pod.has(labels or {}))
            why.append(f"in {site.name} no pod is ready ({unready})")
        elif site.network != here.network and not any(pod.sidecar for pod in fit):
            cause = UNINJECTED
            why.append(f"{len(fit)} ready pods in {site.name} on {site.network} have no sidecar: {fit[0]}")
        else:
            why.append(f"{site.name} has {len(fit)} ready pods, and istiod of {here.name} gave none of them (yet)")
            cure = f"See that istiod of {here.name} reads {site.name}: `spanmesh diagnose`"
    return cause, why, cure
