"""From the client to the cluster of its proxy: name, port, listener and route."""

from collections.abc import Sequence
from dataclasses import dataclass

from envoy.listener import FilterChain, Listener
from envoy.route import Route
from health.checks.request import FAULT, NO_HOST, NO_NAME, NO_PORT, NO_PROXY, NO_ROUTE
from health.walk.asked import Asked
from health.walk.facts import Pod, Proxy, Service, Site, Unread
from health.walk.step import Step, broken, doubtful, fine, untold

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
AS_IT_IS = {PASSTHROUGH, BLACK_HOLE}


@dataclass(frozen=True)
class Taken:
    """What a hop decided: the step to show, and what goes on; None: nothing does."""

    step: Step
    chain: FilterChain | None = None
    route: Route | None = None


def client(pod: Pod, network: str, proxy: Proxy | Unread | None) -> Step:
    """Whether the client's pod is of the mesh."""
    if not pod.sidecar:
        found = f"pod {pod} in {pod.cluster} has no istio-proxy container"
        return broken("client", pod.cluster, NO_PROXY, found)
    if not isinstance(proxy, Proxy):
        return untold("client", pod.cluster, proxy.reason if proxy else f"the proxy of pod {pod} was not asked")
    node = proxy.config.node
    said = f"pod {pod}, {node.network or network or 'no network'}, Istio {node.version}, ServiceAccount {pod.account}"
    refused = proxy.config.rejected
    if refused:
        message = f"{said}; its proxy refuses {len(refused)} of what istiod sends it"
        return doubtful("client", pod.cluster, NO_HOST, message, *refused, cure="Correct what Envoy refuses")
    return fine("client", pod.cluster, said)


def name(asked: Asked, pod: Pod, here: Site, others: Sequence[Site], captured: bool) -> Step:
    """Whether the client's cluster knows the name and the port.

    Args:
        asked: the request.
        pod: the client.
        here: the client's cluster.
        others: all others.
        captured: whether the client's sidecar answers DNS, for Services of every cluster.
    """
    where, wanted = here.name, asked.service(pod.namespace)
    if wanted is None:
        said = f"{asked.host} is the name of no Kubernetes Service: DNS of the client's own decides"
        return fine("name", where, said)
    if isinstance(here.service, Unread):
        return untold("name", where, here.service.reason)
    called = f"Service {wanted[0]}/{wanted[1]}"
    found = {site.name: site.service for site in others if isinstance(site.service, Service)}
    if here.service is not None:
        return _port(asked, called, where, where, here.service)
    if found and captured:
        other, service = next(iter(found.items()))
        return _port(asked, called, where, other, service)
    return _nameless(asked, called, where, list(found))


def _nameless(asked: Asked, called: str, where: str, having: Sequence[str]) -> Step:
    """The client's cluster has no such Service."""
    if having:
        return broken("name", where, NO_NAME, f"{where} has no {called}; {', '.join(having)} has")
    if asked.only_service:
        cure = "Correct the name, or make the Service"
        return broken("name", where, NO_NAME, f"no cluster has a {called}", cure=cure)
    return fine("name", where, f"{asked.host} is no Service of any cluster: DNS outside of Kubernetes decides")


def _port(asked: Asked, called: str, where: str, having: str, service: Service) -> Step:
    """Whether the Service has the port."""
    port = service.port(asked.port)
    if port is None:
        ports = ", ".join(f"{port.port} ({port.name or 'without a name'})" for port in service.ports)
        meant = next((p for p in service.ports if p.target == asked.port), None)
        cure = f"Ask port {meant.port}: {asked.port} is its targetPort" if meant else ""
        said = f"{called} in {having} has no port {asked.port}; it has {ports}"
        return broken("name", where, NO_PORT, said, cure=cure)
    address = ", ".join(service.addresses) or "headless"
    by = "" if where == having else f", answered by the sidecar's DNS, from {having}"
    return fine("name", where, f"{service.host}, {address}, port {asked.port} ({port.name or 'without a name'}){by}")


def listener(asked: Asked, proxy: Proxy, service: Service | None) -> Taken:
    """Which listener of the client's proxy takes the connection, and what it does with HTTP."""
    where, found = proxy.pod.cluster, _listener(asked, proxy, service)
    if found is None:
        return Taken(untold("listener", where, "the proxy has no listener virtualOutbound: it captures nothing"))
    chain = next((c for c in found.chains if c.http and c.transport in ("", "raw_buffer")), None)
    chain = chain or next((c for c in found.chains if not c.port and not c.server_names), None) or found.default
    if chain is None:
        return Taken(untold("listener", where, f"listener {found.name} has no filter chain for plain HTTP"))
    if chain.cluster in AS_IT_IS or found.name == "virtualOutbound":
        return Taken(_unknown(asked, proxy, service, chain.cluster or PASSTHROUGH, f"listener {found.name}"))
    does = f"HTTP, routes {chain.route_name}" if chain.http else f"TCP, to {chain.cluster}"
    return Taken(fine("listener", where, f"{found.name}: {does}"), chain)


def _listener(asked: Asked, proxy: Proxy, service: Service | None) -> Listener | None:
    listeners = proxy.config.listeners
    for address in (*(service.addresses if service else (asked.host,)), "0.0.0.0", "[::]", "::"):  # noqa: S104
        if (found := listeners.get(f"{address}_{asked.port}")) is not None and found.direction != "INBOUND":
            return found
    return listeners.get("virtualOutbound")


def _unknown(asked: Asked, proxy: Proxy, service: Service | None, cluster: str, by: str) -> Step:
    """The proxy sends it out as it is, or nowhere: right for what is outside of the mesh only."""
    where = proxy.pod.cluster
    if service is None and cluster == PASSTHROUGH:
        return fine("route", where, f"{by}: not of the mesh, goes out as it is ({PASSTHROUGH})")
    what = "goes out as it is, by the address alone" if cluster == PASSTHROUGH else "is refused"
    host = service.host if service else asked.host
    return broken(
        "route", where, NO_HOST, f"{by} of {proxy.pod} knows nothing of {host}:{asked.port}: it {what} ({cluster})"
    )


def narrowed(step: Step, here: Site, pod: Pod) -> Step:
    """A step that says that the proxy does not know the host, with the Sidecars that may be why."""
    if step.cause is not NO_HOST:
        return step
    sidecars = [
        p for p in here.known_policies if p.kind == "Sidecar" and p.concerns(pod, here.root) and p.spec.get("egress")
    ]
    # A namespace's own comes before the root namespace's: https://istio.io/latest/docs/reference/config/networking/sidecar/
    own = [p for p in sidecars if p.namespace == pod.namespace] or sidecars
    if not own:
        return step
    hosts = ", ".join(str(host) for each in own[0].spec["egress"] for host in each.get("hosts") or ())
    said = f"{step.message}; {own[0]} lets it see {hosts or 'nothing'}"
    return broken(step.name, step.where, NO_HOST, said, declared=tuple(map(str, own)), cure=f"Add the host to {own[0]}")


def route(asked: Asked, proxy: Proxy, chain: FilterChain, here: Site, service: Service | None) -> Taken:
    """Which route takes the request, and the VirtualService that it came from."""
    where = proxy.pod.cluster
    routes = chain.routes or proxy.config.routes.get(chain.route_name)
    if routes is None:
        return Taken(untold("route", where, f"the proxy has no routes {chain.route_name} (yet)"))
    host = routes.host_of(asked.request.authority)
    if host is None:
        found = f"routes {routes.name} have no virtual host of {asked.request.authority}"
        return Taken(broken("route", where, NO_HOST, found))
    told: list[str] = []
    for each in host.routes:
        verdict = each.takes(asked.request)
        if verdict is None:
            return Taken(
                untold("route", where, f"route {each.name} depends on more than the request: {each.condition}")
            )
        if verdict:
            return _route(asked, proxy, each, here, service)
        told.append(f"not {each.name or 'unnamed'}: {each.condition}")
    declared = tuple(dict.fromkeys(d for each in host.routes for d in here.declared(each.origin)))
    asks = f"{asked.method} {asked.path}"
    found = f"virtual host {host.name} has {len(host.routes)} routes, and none takes {asks} (NR)"
    return Taken(broken("route", where, NO_ROUTE, found, *told, declared=declared))


def _route(asked: Asked, proxy: Proxy, taken: Route, here: Site, service: Service | None) -> Taken:
    where = proxy.pod.cluster
    if [each.name for each in taken.clusters] in ([PASSTHROUGH], [BLACK_HOLE]) or taken.name == "block_all":
        cluster = taken.clusters[0].name if taken.clusters else BLACK_HOLE
        return Taken(_unknown(asked, proxy, service, cluster, f"route {taken.name}"))
    declared = here.declared(taken.origin)
    if taken.direct:
        said = f"route {taken.name} answers by itself: {taken.direct}"
        return Taken(fine("route", where, said, declared=declared))
    shares = ", ".join(f"{each.share:.0%} {each.name}" for each in taken.clusters)
    said = f"route {taken.name} ({taken.condition}): {shares}"
    if "abort" in taken.fault:
        return Taken(broken("route", where, FAULT, f"{said}; {taken.fault}", declared=declared), route=taken)
    details = (taken.fault,) if taken.fault else ()
    return Taken(fine("route", where, said, *details, declared=declared), route=taken)
