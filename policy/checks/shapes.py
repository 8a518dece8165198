"""One Service as several clusters have it: where it differs so that its endpoints do not cross."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policy.checks.facts import Facts, Name
from policy.world import Service


@dataclass(frozen=True)
class Difference:
    """Something that keeps requests for a Service in one cluster from endpoints in another.

    Attributes:
        clusters: the two clusters; or the client's, and those whose endpoints its clients do not reach.
        said: what it is, with its names and numbers.
    """

    clusters: tuple[str, ...]
    said: str


def port_names(facts: Facts, service: Name, clients: Sequence[str]) -> list[Difference]:
    """Ports that one cluster calls by another name: endpoints are joined by it (istio.io pull request 11680).

    Args:
        facts: the clusters' Services.
        service: namespace and name.
        clients: clusters that have clients of it.
    """
    found: dict[tuple[frozenset[str], str], Difference] = {}
    for client, ours, server, theirs in _pairs(facts, service, clients):
        pair = frozenset((client, server))
        names = {port.name for port in theirs.ports}
        by_number = {port.port: port.name for port in theirs.ports}
        for port in ours.ports:
            if port.name not in names and port.port in by_number:
                both = (port.name or "nothing", by_number[port.port] or "nothing")
                said = f"port {port.port} is called {both[0]} in {client}, {both[1]} in {server}"
                found.setdefault((pair, str(port.port)), Difference((client, server), said))
        common = (names & {p.name for p in ours.ports}) or (by_number.keys() & {p.port for p in ours.ports})
        if ours.ports and theirs.ports and not common:
            said = f"no port of {client} has the name of one of {server}"
            found.setdefault((pair, ""), Difference((client, server), said))
    return list(found.values())


def port_numbers(facts: Facts, service: Name, clients: Sequence[str]) -> list[Difference]:
    """Ports of one name that have another number on another network, whose gateway is asked by number (istio#46105).

    Args:
        facts: the clusters' Services.
        service: namespace and name.
        clients: clusters that have clients of it.
    """
    found: dict[tuple[frozenset[str], str], Difference] = {}
    for client, ours, server, theirs in _pairs(facts, service, clients):
        by_name = {port.name: port.port for port in theirs.ports}
        for port in ours.ports:
            if by_name.get(port.name, port.port) != port.port and facts.crosses(client, server):
                name = f"port {port.name}" if port.name else "the port without name"
                said = f"{name} is {port.port} in {client}, {by_name[port.name]} in {server}"
                found.setdefault((frozenset((client, server)), port.name), Difference((client, server), said))
    return list(found.values())


def out_of_reach(facts: Facts, service: Name, clients: Sequence[str]) -> list[Difference]:
    """Clusters whose endpoints are not reached because the Service is headless or an ExternalName.

    What a client's own cluster says of the Service decides: headless behind a cluster IP does cross networks.

    Args:
        facts: the clusters' Services.
        service: namespace and name.
        clients: clusters that have clients of it.
    """
    found: list[Difference] = []
    for client in clients:
        services = facts.services(client, service)
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
            said = f"requests from {facts.called(client)} reach nothing of {', '.join(servers)}: {what}"
            found.append(Difference((client, *servers), said))
    return found


def _pairs(facts: Facts, service: Name, clients: Sequence[str]) -> Iterator[tuple[str, Service, str, Service]]:
    """Client and server, each with ports of its own for the Service, where the server's may have endpoints."""
    for client in clients:
        services = facts.services(client, service)
        if client in services:
            for server, theirs in services.items():
                joined = theirs.selector or server not in facts.world.live
                if server != client and joined and theirs.ports != services[client].ports:
                    yield client, services[client], server, theirs
