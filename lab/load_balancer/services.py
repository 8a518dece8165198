"""What a Service of type LoadBalancer asks for, and which address it gets. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.load_balancer.admission import admitted_sources
from lab.load_balancer.cloud import Cloud, named_address
from lab.load_balancer.refusal import RefusedError

PROTOCOLS = ("TCP", "UDP")


@dataclass(frozen=True)
class Port:
    """One port: the public one, and the one to which it is forwarded."""

    protocol: str
    port: int
    target: int


@dataclass(frozen=True)
class Wish:
    """What one Service asks for.

    Attributes:
        uid: its identity.
        namespace: where it is.
        name: what it is called.
        created: when it was made; of two that want the same, the older gets it.
        ports: its ports.
        sources: who may connect.
        requested: the address that it names itself, if any.
        held: the addresses that stand in its status.
        local_only: whether only nodes with pods of its own may get its traffic.
    """

    uid: str
    namespace: str
    name: str
    created: datetime
    ports: tuple[Port, ...]
    sources: tuple[IPv4Network, ...]
    requested: IPv4Address | None
    held: tuple[str, ...]
    local_only: bool

    @property
    def path(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


def is_ours(service: Any, cloud: Cloud) -> bool:
    """Whether a V1Service is one for these load balancers: of that type, and of no other provider's class."""
    return service.spec.type == "LoadBalancer" and (service.spec.load_balancer_class or "") in cloud.classes


def published(service: Any) -> tuple[str, ...]:
    """The addresses and host names in a V1Service's status."""
    balancer = service.status.load_balancer if service.status else None
    return tuple(each.ip or each.hostname for each in (balancer.ingress if balancer else None) or ())


def status_addresses(service: Any) -> tuple[str, ...]:
    """The addresses in a V1Service's status, also of load balancers' host names."""
    return tuple(named_address(each) or each for each in published(service))


def read_wish(service: Any, cloud: Cloud) -> Wish:
    """What a V1Service of ours asks for.

    Raises:
        RefusedError: it is something that cannot be had here.
    """
    spec = service.spec
    if spec.ip_families and "IPv4" not in spec.ip_families:
        raise RefusedError("only IPv4 load balancers are offered")
    ports = []
    for each in spec.ports or ():
        if each.protocol not in PROTOCOLS:
            raise RefusedError(f"port {each.port}: protocol {each.protocol} is not offered, only TCP and UDP")
        if not each.node_port:
            raise RefusedError(
                f"port {each.port} has no node port; do not set allocateLoadBalancerNodePorts to false here"
            )
        ports.append(Port(each.protocol.lower(), each.port, each.node_port))
    return Wish(
        uid=service.metadata.uid,
        namespace=service.metadata.namespace,
        name=service.metadata.name,
        created=service.metadata.creation_timestamp or datetime.now(UTC),
        ports=tuple(ports),
        sources=admitted_sources(service, cloud),
        requested=_requested(spec.load_balancer_ip),
        held=status_addresses(service),
        local_only=spec.external_traffic_policy == "Local",
    )


def allocate(
    wishes: Iterable[Wish], pool: Sequence[IPv4Address], taken: Mapping[IPv4Address, str] | None = None
) -> tuple[dict[str, IPv4Address], dict[str, RefusedError]]:
    """Give each Service an address: what it holds stays its own, then named addresses, then the lowest free one.

    Args:
        wishes: what the Services ask for.
        pool: the region's addresses.
        taken: addresses that other Services have as their externalIPs, with the path of such a Service.

    Returns:
        uid to address, and for those that get none, uid to the reason.
    """
    ordered = sorted(wishes, key=lambda wish: (wish.created, wish.uid))
    taken = taken or {}
    owner: dict[IPv4Address, Wish] = {}
    refused: dict[str, RefusedError] = {}
    for wish in ordered:
        kept = next((each for each in pool if str(each) in wish.held and each not in owner and each not in taken), None)
        if kept is not None and wish.requested in (None, kept):
            owner[kept] = wish
    keepers = {wish.uid for wish in owner.values()}
    rest = [wish for wish in ordered if wish.uid not in keepers]
    # Those that name an address come before those that take any.
    for wish in sorted(rest, key=lambda wish: wish.requested is None):
        try:
            owner[_choose(wish, pool, {**taken, **{address: each.path for address, each in owner.items()}})] = wish
        except RefusedError as error:
            refused[wish.uid] = error
    return {wish.uid: address for address, wish in owner.items()}, refused


def _choose(wish: Wish, pool: Sequence[IPv4Address], owner: Mapping[IPv4Address, str]) -> IPv4Address:
    """The address that a Service without one gets.

    Raises:
        RefusedError: there is none for it.
    """
    span = f"{pool[0]} to {pool[-1]}"
    if wish.requested is None:
        free = next((address for address in pool if address not in owner), None)
        if free is None:
            raise RefusedError(
                f"all {len(pool)} addresses of this region, {span}, are taken; "
                "delete a Service of type LoadBalancer to free one"
            )
        return free
    if wish.requested not in pool:
        raise RefusedError(f"loadBalancerIP {wish.requested} is not one of this region's addresses {span}")
    if wish.requested in owner:
        raise RefusedError(f"loadBalancerIP {wish.requested} is taken by Service {owner[wish.requested]}")
    return wish.requested


def _requested(text: str | None) -> IPv4Address | None:
    if not text:
        return None
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise RefusedError(f"loadBalancerIP {text!r} is not an IPv4 address") from error
