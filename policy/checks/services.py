"""Services that policy names, compared over the clusters: what of them does not cross from one to the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.checks.facts import Facts, Name
from policy.checks.hosts import Named, named
from policy.checks.reach import Reach
from policy.checks.routes import Destination, Route, mappings, whole
from policy.checks.shapes import out_of_reach, port_names, port_numbers
from policy.finding import Finding, Rule, at
from policy.hosts import service_of

OTHER_NAMES = Rule(
    "SM207",
    "Port of another name in another cluster",
    "warning",
    "Endpoints are joined by the port's name: those of the other cluster are never used, and nothing says so",
    "Give the port the same name in the Services of all clusters",
    "https://github.com/istio/istio.io/pull/11680",
)
HEADLESS = Rule(
    "SM208",
    "Headless or ExternalName across networks",
    "warning",
    "A headless name resolves to pods of the client's own cluster only, and an ExternalName brings no endpoints: no "
    "request crosses to the other network",
    "Give the clients' clusters a Service of that name with a cluster IP, or narrow the policy to one network",
    "https://github.com/istio/istio/issues/36733",
)
NO_SIDECAR = Rule(
    "SM209",
    "Destination pods without sidecar",
    "warning",
    "Only endpoints with mutual TLS are given to clients on other networks: these pods get none of their requests",
    "Label the namespace istio-injection=enabled and restart the pods",
    "https://github.com/istio/istio/issues/26517",
)
NO_PORT = Rule(
    "SM212",
    "Port that the Service does not have",
    "error",
    "Envoy has no cluster for that port: requests are answered with 503",
    "Name a port of the Service, by the number that the Service has (not the pods')",
    "https://istio.io/latest/docs/reference/config/networking/virtual-service/#PortSelector",
)
OTHER_NUMBERS = Rule(
    "SM215",
    "Port of another number in another network",
    "error",
    "The client's proxy asks the other network's gateway for the port by the number that its own Service has; the "
    "gateway knows the port by another, and resets the connection",
    "Give the port the same number in the Services of all clusters; targetPort may differ",
    "https://github.com/istio/istio/issues/46105",
)
RULES = (OTHER_NAMES, HEADLESS, NO_SIDECAR, NO_PORT, OTHER_NUMBERS)


@dataclass(frozen=True)
class _Clients:
    """A Service, the first place in the policy that names it, and the clusters where that policy goes."""

    service: Name
    first: Named
    clusters: tuple[str, ...]


def check(facts: Facts) -> Iterator[Finding]:
    """Ports that do not match, what cannot cross networks, and pods without sidecar, of every Service named."""
    for route in facts.routes:
        for destination in (*route.destinations, *route.mirrors):
            yield from _port(facts, route, destination)
    if facts.world.mesh is None:
        return
    reach = Reach(facts)
    for clients in _named_services(facts):
        if not reach.cluster_local(clients.first.host):
            yield from _names_and_numbers(facts, clients)
            yield from _headless(facts, clients)
            yield from _without_sidecar(facts, clients)


def _named_services(facts: Facts) -> list[_Clients]:
    found: dict[Name, _Clients] = {}
    for name in named(facts):
        if service := service_of(name.host):
            before = found.get(service)
            clusters = dict.fromkeys((*(before.clusters if before else ()), *facts.where(name.placed)))
            found[service] = _Clients(service, before.first if before else name, tuple(clusters))
    return list(found.values())


def _port(facts: Facts, route: Route, destination: Destination) -> Iterator[Finding]:
    if destination.port is None:
        return
    name = destination.service
    known: dict[str, str] = {}
    for cluster in facts.where(route.placed):
        services = facts.services(cluster, name) if name else {}
        entries = [] if services else facts.entries(cluster, destination.host)
        if cluster in services:
            # istiod has a Service as its own cluster has it (istio#46105).
            ports = {port.port for port in services[cluster].ports}
        elif services and facts.complete(cluster):
            ports = {port.port for service in services.values() for port in service.ports}
        else:
            ports = _ports_of_entries(entries)
        if any(service.type == "ExternalName" for service in services.values()) or not ports:
            continue
        if destination.port not in ports:
            known[cluster] = ", ".join(map(str, sorted(ports)))
    if known:
        has = "; ".join(f"in {c} it has {ports}" if c else f"it has {ports}" for c, ports in known.items())
        path = (*destination.path, "port")
        message = f"{destination.written} has no port {destination.port}: {has}"
        yield at(route.placed.document, path, NO_PORT, message, tuple(c for c in known if c))


def _ports_of_entries(entries: Sequence[Mapping[str, Any]]) -> set[int]:
    return {n for entry in entries for _, port in mappings(entry.get("ports")) if (n := whole(port.get("number")))}


def _names_and_numbers(facts: Facts, clients: _Clients) -> Iterator[Finding]:
    for rule, found in (
        (OTHER_NAMES, port_names(facts, clients.service, clients.clusters)),
        (OTHER_NUMBERS, port_numbers(facts, clients.service, clients.clusters)),
    ):
        if found:
            concerned = tuple(c for c in facts.places if any(c in each.clusters for each in found))
            yield _finding(clients, rule, "; ".join(each.said for each in found), concerned)


def _headless(facts: Facts, clients: _Clients) -> Iterator[Finding]:
    if found := out_of_reach(facts, clients.service, clients.clusters):
        concerned = tuple(each.clusters[0] for each in found)
        yield _finding(clients, HEADLESS, "; ".join(each.said for each in found), concerned)


def _without_sidecar(facts: Facts, clients: _Clients) -> Iterator[Finding]:
    namespace, _ = clients.service
    said, concerned = [], []
    for server in facts.places:
        who = [c for c in clients.clusters if c != server and server in facts.visible[c] and facts.crosses(c, server)]
        service = facts.services(server, clients.service).get(server)
        pods = facts.pods(server, service) if service and who else []
        bare = sum(p.ready for p in pods if not p.injected)
        if bare:
            total = sum(p.ready for p in pods)
            why = (
                ""
                if facts.world.live[server].namespaces.get(namespace, True)
                else f", namespace {namespace} is not injected"
            )
            said.append(
                f"{bare} of {total} pods in {facts.called(server)} have none{why}: nothing comes from {', '.join(who)}"
            )
            concerned.append(server)
    if said:
        yield _finding(clients, NO_SIDECAR, "; ".join(said), tuple(concerned))


def _finding(clients: _Clients, rule: Rule, message: str, clusters: tuple[str, ...]) -> Finding:
    namespace, name = clients.service
    first = clients.first
    return at(first.placed.document, first.path, rule, f"Service {namespace}/{name}: {message}", clusters)
