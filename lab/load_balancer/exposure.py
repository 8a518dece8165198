"""Services that have a public address without a load balancer: externalIPs, and forwarded node ports. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Address
from typing import Any

from lab.load_balancer.admission import EVERYWHERE
from lab.load_balancer.refusal import RefusedError
from lab.load_balancer.rules import Balancer
from lab.load_balancer.services import PROTOCOLS, Port


def with_external_ips(
    services: Iterable[Any], ours: Collection[IPv4Address], given: Collection[IPv4Address]
) -> tuple[list[Balancer], dict[str, RefusedError]]:
    """Services that the router forwards to because they name one of its public addresses in `externalIPs`.

    Args:
        services: all V1Services of the region.
        ours: the public addresses that the router may have.
        given: those that load balancers have.

    Returns:
        the forwarding to the Services' cluster IPs, and uid to the reason for those that cannot have theirs.
    """
    found: list[Balancer] = []
    refused: dict[str, RefusedError] = {}
    owners: dict[tuple[IPv4Address, str, int], str] = {}
    for service in sorted(services, key=lambda each: (each.metadata.creation_timestamp, each.metadata.uid)):
        path = f"{service.metadata.namespace}/{service.metadata.name}"
        for address in _addresses(service.spec.external_ips, ours):
            if address in given:
                refused[service.metadata.uid] = RefusedError(f"externalIP {address} is that of a load balancer")
                continue
            ports = _ports(service, lambda each: each.port)
            if not ports:
                continue
            taken = [port for port in ports if owners.get((address, port.protocol, port.port), path) != path]
            if taken:
                owner = owners[address, taken[0].protocol, taken[0].port]
                refused[service.metadata.uid] = RefusedError(
                    f"externalIP {address}: port {taken[0].port} is taken by Service {owner}"
                )
                continue
            owners |= {(address, port.protocol, port.port): path for port in ports}
            target = IPv4Address(service.spec.cluster_ip)
            found.append(Balancer(path, address, ports, (EVERYWHERE,), (target,)))
    return found, refused


def with_node_ports(services: Iterable[Any], router: IPv4Address, nodes: Sequence[IPv4Address]) -> list[Balancer]:
    """The router's forwarding of the node ports of Services of type NodePort to the nodes."""
    return [
        Balancer(
            f"{service.metadata.namespace}/{service.metadata.name}",
            router,
            tuple(Port(each.protocol, each.target, each.target) for each in _ports(service, lambda one: one.node_port)),
            (EVERYWHERE,),
            tuple(nodes),
        )
        for service in services
        if service.spec.type == "NodePort"
    ]


def _addresses(texts: Sequence[str] | None, ours: Collection[IPv4Address]) -> list[IPv4Address]:
    by_text = {str(address): address for address in ours}
    return [by_text[text] for text in texts or () if text in by_text]


def _ports(service: Any, target: Callable[[Any], int | None]) -> tuple[Port, ...]:
    if service.spec.cluster_ip in (None, "", "None") or ":" in service.spec.cluster_ip:
        return ()
    return tuple(
        Port(each.protocol.lower(), each.port, goes_to)
        for each in service.spec.ports or ()
        if each.protocol in PROTOCOLS and (goes_to := target(each))
    )
