"""Services that policy names, compared over the clusters: what of them does not cross from one to the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.checks.facts import Facts, Name
from policy.checks.hosts import Named, named
from policy.checks.reach import Reach
from policy.checks.routes import Destination, Route, mappings, whole
from policy.finding import Finding, Rule, at
from policy.hosts import service_of
from policy.world import Service

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


def _pairs(facts: Facts, clients: _Clients) -> Iterator[tuple[str, Service, str, Service]]:
    """Client and server, each with ports of its own for the Service, where the server's may have endpoints."""
    for client in clients.clusters:
        services = facts.services(client, clients.service)
        if client in services:
            for server, theirs in services.items():
                joined = theirs.selector or server not in facts.world.live
                if server != client and joined and theirs.ports != services[client].ports:
                    yield client, services[client], server, theirs


def _names_and_numbers(facts: Facts, clients: _Clients) -> Iterator[Finding]:
    names: dict[tuple[frozenset[str], str], str] = {}
    numbers: dict[tuple[frozenset[str], str], str] = {}
    for client, ours, server, theirs in _pairs(facts, clients):
        pair = frozenset((client, server))
        by_name = {port.name: port.port for port in theirs.ports}
        by_number = {port.port: port.name for port in theirs.ports}
        for port in ours.ports:
            if port.name in by_name:
                if by_name[port.name] != port.port and facts.crosses(client, server):
                    name = f"port {port.name}" if port.name else "the port without name"
                    said = f"{name} is {port.port} in {client}, {by_name[port.name]} in {server}"
                    numbers.setdefault((pair, port.name), said)
            elif port.port in by_number:
                both = (port.name or "nothing", by_number[port.port] or "nothing")
                said = f"port {port.port} is called {both[0]} in {client}, {both[1]} in {server}"
                names.setdefault((pair, str(port.port)), said)
        ours_called, ours_numbered = {p.name for p in ours.ports}, {p.port for p in ours.ports}
        common = (by_name.keys() & ours_called) or (by_number.keys() & ours_numbered)
        if ours.ports and theirs.ports and not common:
            names.setdefault((pair, ""), f"no port of {client} has the name of one of {server}")
    for rule, found in ((OTHER_NAMES, names), (OTHER_NUMBERS, numbers)):
        if found:
            concerned = tuple(c for c in facts.places if any(c in pair for pair, _ in found))
            yield _finding(clients, rule, "; ".join(found.values()), concerned)


def _headless(facts: Facts, clients: _Clients) -> Iterator[Finding]:
    """What a client's own cluster says of the Service decides: headless behind a cluster IP does cross networks."""
    said: dict[str, str] = {}
    for client in clients.clusters:
        services = facts.services(client, clients.service)
        if client not in services and not facts.complete(client):
            continue
        apart = {c: s for c, s in services.items() if c != client and facts.crosses(client, c)}
        ours = services.get(client) or next(iter(apart.values()), None)
        if ours and ours.headless:
            servers = [c for c, s in apart.items() if s.selector or c not in facts.world.live]
            what = f"it is headless {f'in {client}' if client in services else 'where it runs'}"
        else:
            servers = [c for c, s in apart.items() if s.type == "ExternalName"]
            servers = servers if not ours or client not in services or ours.type != "ExternalName" else []
            what = "it is an ExternalName there"
        if servers:
            said[client] = f"requests from {facts.called(client)} reach nothing of {', '.join(servers)}: {what}"
    if said:
        yield _finding(clients, HEADLESS, "; ".join(said.values()), tuple(said))


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
