"""One request, hop by hop: each proxy on its way is asked what it would do, and then what it did."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from envoy.cluster import UpstreamTls, subset_of
from envoy.endpoint import Endpoint
from envoy.listener import FilterChain
from health.checks.request import NO_PROXY
from health.walk import destination, gateway, outbound, server
from health.walk.asked import Asked
from health.walk.destination import Gateway, Reached, Way
from health.walk.facts import Pod, Proxy, Service, Site, Unread
from health.walk.step import Step, Walk, untold
from live.kubeconfig import ClusterAccess
from live.reachability import explained
from live.walk.client_pod import chosen
from live.walk.cluster_reader import ClusterReader, GatewayService, cluster_reader
from live.walk.following import Trail, follow
from policy.hosts import service_of
from topology import Mesh

Told = Callable[[str], None]
# Read at once; each by several calls.
CLUSTERS = 16


@dataclass(frozen=True)
class Client:
    """Where a request starts: Istio's name of the cluster, namespace, and what names the pod."""

    cluster: str
    namespace: str
    pod: str


def walk(
    mesh: Mesh, accesses: Mapping[str, ClusterAccess], client: Client, asked: Asked, *, send: bool, told: Told
) -> Walk:
    """Walk one request, and send it.

    Args:
        mesh: the declared mesh.
        accesses: its clusters, by Istio's name.
        client: where it starts.
        asked: what it asks for.
        send: whether it is sent as well.
        told: is told what is being done.

    Raises:
        NoPodError: no pod is the client.
        UnreachableError: the API server of the client's cluster does not answer.
    """
    with ExitStack() as clients:
        readers = {
            name: clients.enter_context(cluster_reader(access, mesh.cluster(name).network))
            for name, access in accesses.items()
        }
        return _Walking(readers, client, asked, told).walk(send=send)


@dataclass
class _Walking:
    """One walk under way."""

    readers: Mapping[str, ClusterReader]
    client: Client
    asked: Asked
    told: Told
    gateways: list[GatewayService] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    trail: Trail = field(default_factory=Trail)

    def walk(self, *, send: bool) -> Walk:
        reader = self.readers[self.client.cluster]
        self.told(f"looking for {self.client.pod} in {self.client.cluster}/{self.client.namespace}")
        with explained(reader.access, f"listing pods of {self.client.namespace}"):
            pods = reader.pods(self.client.namespace)
        pod = chosen(pods, self.client.pod, f"{self.client.cluster}/{self.client.namespace}")
        proxy = reader.proxy(pod) if pod.sidecar else None
        steps = [outbound.client(pod, reader.network, proxy)]
        target = f"{self.asked.method} {self.asked.url}"
        named = f"{self.client.cluster}/{pod}"
        if isinstance(proxy, Proxy):
            steps += self._way(pod, proxy)
        if not send or steps[0].cause is NO_PROXY:
            return Walk(named, target, tuple(steps))
        request_id = str(uuid.uuid4())
        self.told(f"sending {target} with x-request-id {request_id}")
        proxy_seen = proxy if isinstance(proxy, Proxy) else None
        steps.append(follow(self.readers, pod, proxy_seen, self.asked, request_id, self.trail))
        return Walk(named, target, tuple(steps), request_id)

    def _way(self, pod: Pod, proxy: Proxy) -> Iterator[Step]:
        """From the client's proxy on."""
        wanted = self.asked.service(pod.namespace)
        self.told(f"reading {', '.join(self.readers)}")
        here, others = self._sites(*(wanted or ("", "")), pod.namespace)
        self._find_gateways()
        yield server.policies(here, pod, "client")
        captured = proxy.config.node.dns_capture
        name = outbound.name(self.asked, pod, here, others, captured)
        yield name
        if name.cause is not None:
            return
        services = [site.service for site in (here, *others) if isinstance(site.service, Service)]
        service = services[0] if services else None
        listened = outbound.listener(self.asked, proxy, service)
        yield outbound.narrowed(listened.step, here, pod)
        chain = listened.chain
        if chain is None:
            return
        if not chain.http:
            yield self._cluster(chain.cluster, 1.0, proxy, pod, ())
            return
        here = self._with_authors(here, proxy, chain)
        routed = outbound.route(self.asked, proxy, chain, here, service)
        step = outbound.narrowed(routed.step, here, pod)
        if routed.route is None or step.cause is not None:
            yield step
            return
        shares = [each for each in routed.route.clusters if each.share > 0]
        yield step.then(*(self._cluster(e.name, e.share, proxy, pod, step.declared) for e in shares))

    def _with_authors(self, here: Site, proxy: Proxy, chain: FilterChain) -> Site:
        """The client's cluster, with the policy of the namespaces that the VirtualServices of the host are in."""
        routes = chain.routes or proxy.config.routes.get(chain.route_name)
        host = routes.host_of(self.asked.request.authority) if routes else None
        away = {each.origin.namespace for each in host.routes if each.origin} if host else set()
        away = {each for each in away if each not in {p.namespace for p in here.known_policies}}
        more = self.readers[here.name].policies(tuple(away)) if away else ()
        if isinstance(more, Unread) or isinstance(here.policies, Unread):
            return here
        return replace(here, policies=(*here.policies, *(each for each in more if each.namespace in away)))

    def _sites(self, namespace: str, name: str, client_namespace: str) -> tuple[Site, list[Site]]:
        """The clusters, as far as a request to a Service has to do with them: the client's own, and all others."""

        def read(reader: ClusterReader) -> Site:
            if not name:
                policies = reader.policies((client_namespace,))
                return Site(reader.name, reader.network, policies=policies)
            return reader.site(namespace, name, (client_namespace,))

        with ThreadPoolExecutor(max_workers=min(CLUSTERS, len(self.readers))) as pool:
            sites = dict(zip(self.readers, pool.map(read, self.readers.values()), strict=True))
        here = sites.pop(self.client.cluster)
        return here, list(sites.values())

    def _find_gateways(self) -> None:
        with ThreadPoolExecutor(max_workers=min(CLUSTERS, len(self.readers))) as pool:
            found = pool.map(lambda reader: reader.gateways(), self.readers.values())
            for name, each in zip(self.readers, found, strict=True):
                if isinstance(each, Unread):
                    self.silent[name] = each.reason
                else:
                    self.gateways += each

    @property
    def _addresses(self) -> list[Gateway]:
        return [Gateway(address, each.cluster, each.network) for each in self.gateways for address in each.addresses]

    def _cluster(self, name: str, share: float, proxy: Proxy, pod: Pod, route: Sequence[str]) -> Step:
        """A cluster of the client's proxy, and the ways from it."""
        subset = subset_of(name)
        service = service_of(subset.host) if subset else None
        here, others = self._sites(*(service or ("", "")), pod.namespace)
        reached = destination.reach(name, proxy, here, others, self._addresses, route)
        step = reached.step
        if share < 1:
            step = replace(step, message=f"{share:.0%} of requests: {step.message}")
        ways = [self._next(way, reached, proxy, pod, here, others) for way in reached.ways]
        return step.then(*reached.beside, *ways)

    def _next(self, way: Way, reached: Reached, proxy: Proxy, pod: Pod, here: Site, others: Sequence[Site]) -> Step:
        sites = (here, *others)
        if (wrong := destination.misplaced(way, here, sites)) is not None:
            return wrong
        name = reached.subset.host if reached.subset else ""
        step = destination.security(way, name, here, reached.step.declared)
        if step.cause is not None:
            return step
        if way.gateway is None:
            there = next((site for site in sites if site.name == (way.endpoint.cluster or here.name)), here)
            return step.then(*self._server(way.endpoint, there, way.tls, proxy))
        return step.then(self._gateway(way, way.gateway, proxy, pod, here, others))

    def _gateway(self, way: Way, to: Gateway, proxy: Proxy, pod: Pod, here: Site, others: Sequence[Site]) -> Step:
        """The gateway's side, and the servers behind it."""
        there = next((site for site in others if site.name == to.cluster), None)
        if there is None or way.tls is None:
            known = ", ".join(self.readers)
            return untold("gateway", to.cluster, f"{way.endpoint} is a gateway of none of the clusters {known}")
        self.told(f"asking the east-west gateway of {there.name}")
        self.trail.addresses[way.endpoint.address] = there.name
        pods = [each for service in self.gateways if service.cluster == there.name for each in service.pods]
        if not pods:
            why = self.silent.get(there.name) or f"no pod of an east-west gateway can be found in {there.name}"
            return untold("gateway", there.name, why)
        asked = self.readers[there.name].proxy(pods[0])
        if isinstance(asked, Unread):
            return untold("gateway", there.name, asked.reason)
        self.trail.gateways[there.name] = pods
        self.trail.addresses |= {
            address: there.name for s in self.gateways if s.cluster == there.name for address in s.addresses
        }
        passed = gateway.passes(way.tls.sni, asked, there, here)
        behind = [step for each in passed.endpoints for step in self._server(each, there, way.tls, proxy)]
        return passed.step.then(*behind)

    def _server(self, endpoint: Endpoint, there: Site, tls: UpstreamTls | None, client: Proxy) -> Iterator[Step]:
        """The server's side."""
        reader = self.readers[there.name]
        self.told(f"asking the server at {endpoint} in {there.name}")
        pod = reader.pod_of(endpoint.address)
        if isinstance(pod, Unread):
            yield untold("server", there.name, pod.reason)
            return
        proxy = reader.proxy(pod) if pod and pod.sidecar else None
        step = server.server(endpoint, pod, proxy, there, tls)
        if pod is None or not isinstance(proxy, Proxy) or step.cause is not None:
            yield step
            return
        self.trail.servers.setdefault(there.name, {})[pod.address] = pod
        children = [server.policies(there, pod, "server")]
        if tls is not None and tls.istio_mutual:
            children.append(server.certificates(tls, client.config.certificates, proxy.config.certificates, there.name))
        if (authorized := server.authorization(pod, proxy, endpoint.port, there)) is not None:
            children.append(authorized)
        yield step.then(*children)
