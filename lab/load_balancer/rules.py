"""The router's rules for load balancers, and bringing the router to have exactly them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.commands import run, succeeds
from lab.load_balancer.admission import EVERYWHERE
from lab.load_balancer.services import Port
from lab.router_rules import LOAD_BALANCER_FILTER_CHAIN, LOAD_BALANCER_NAT_CHAIN

_DEVICE = "wan"


@dataclass(frozen=True)
class Balancer:
    """One Service on one public address.

    Attributes:
        service: its namespace and name.
        address: the public address.
        ports: its ports.
        sources: who may connect.
        targets: where its traffic goes, one at random for each connection.
    """

    service: str
    address: IPv4Address
    ports: tuple[Port, ...]
    sources: tuple[IPv4Network, ...]
    targets: tuple[IPv4Address, ...]


def render(balancers: Sequence[Balancer]) -> str:
    """The rules as input of `iptables-restore --noflush`: each of the two chains is replaced as a whole.

    New connections from an admitted source go to one of the targets at random. Every packet of a connection is held
    against the rules, so a source shut out, or an address taken back, loses its open connections too.
    """
    nat, accept = [], []
    for balancer in balancers:
        for port in balancer.ports:
            for source in balancer.sources:
                to_port = f"-p {port.protocol} -d {balancer.address}/32 --dport {port.port}"
                came_from = "" if source == EVERYWHERE else f" -s {source}"
                comment = f'-m comment --comment "{balancer.service}"'
                for index, host in enumerate(balancer.targets):
                    left = len(balancer.targets) - index
                    chance = f" -m statistic --mode random --probability {1 / left:.8f}" if left > 1 else ""
                    target = f"-j DNAT --to-destination {host}:{port.target}"
                    nat.append(f"-A {LOAD_BALANCER_NAT_CHAIN} {to_port}{came_from}{chance} {comment} {target}")
                origin = "" if source == EVERYWHERE else f" --ctorigsrc {source}"
                state = f"-m conntrack --ctorigdst {balancer.address} --ctorigdstport {port.port}{origin}"
                accept.append(f"-A {LOAD_BALANCER_FILTER_CHAIN} -p {port.protocol} {state} {comment} -j ACCEPT")
    return "\n".join(
        [
            "*nat",
            f":{LOAD_BALANCER_NAT_CHAIN} - [0:0]",
            *nat,
            "COMMIT",
            "*filter",
            f":{LOAD_BALANCER_FILTER_CHAIN} - [0:0]",
            *accept,
            "COMMIT",
            "",
        ]
    )


def apply(balancers: Sequence[Balancer], pool: Collection[IPv4Address]) -> None:
    """Make the router answer on these addresses with these rules, and on no other address of the pool.

    Raises:
        LabError: `ip` or `iptables-restore` fails; the rules are then all as before.
    """
    wanted = {balancer.address for balancer in balancers} & set(pool)
    present = router_addresses() & set(pool)
    for address in sorted(wanted - present):
        run(["ip", "address", "replace", f"{address}/32", "dev", _DEVICE])
    run(["iptables-restore", "-w", "5", "--noflush"], stdin=render(balancers))
    for address in sorted(present - wanted):
        run(["ip", "address", "delete", f"{address}/32", "dev", _DEVICE])


def forget_connections(address: IPv4Address) -> None:
    """Drop what the router knows of connections to an address that changed hands."""
    # It fails where there is none.
    succeeds(["conntrack", "--delete", "--orig-dst", str(address)])


def router_addresses() -> set[IPv4Address]:
    """The addresses that the router has on the WAN now."""
    links = json.loads(run(["ip", "-json", "-4", "address", "show", "dev", _DEVICE]))
    return {IPv4Address(each["local"]) for link in links for each in link["addr_info"]}
