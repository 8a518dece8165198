"""Which Service gets which address, and the router's rules that follow."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from kubernetes.client import (
    V1LoadBalancerIngress,
    V1LoadBalancerStatus,
    V1ObjectMeta,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
    V1ServiceStatus,
)

from lab.load_balancer.cloud import PLAIN
from lab.load_balancer.refusal import RefusedError
from lab.load_balancer.rules import Balancer, render
from lab.load_balancer.services import Wish, allocate, is_ours, read_wish

POOL = [IPv4Address("198.51.100.64") + offset for offset in range(3)]
BEGAN = datetime(2026, 11, 22, tzinfo=UTC)


def wish(name: str, age: int = 0, *, requested: str | None = None, held: str | None = None) -> Wish:
    return read_wish(service(name, age, requested=requested, held=held), PLAIN)


def service(
    name: str,
    age: int = 0,
    *,
    requested: str | None = None,
    held: str | None = None,
    sources: list[str] | None = None,
    protocol: str = "TCP",
    node_port: int | None = 30080,
    annotations: dict[str, str] | None = None,
) -> V1Service:
    """A Service that is `age` minutes younger than the oldest."""
    created = BEGAN + timedelta(minutes=age)
    ingress = [V1LoadBalancerIngress(ip=held)] if held else None
    return V1Service(
        metadata=V1ObjectMeta(
            uid=f"uid-{name}", name=name, namespace="shop", creation_timestamp=created, annotations=annotations
        ),
        spec=V1ServiceSpec(
            type="LoadBalancer",
            load_balancer_ip=requested,
            load_balancer_source_ranges=sources,
            ports=[V1ServicePort(port=80, protocol=protocol, node_port=node_port)],
        ),
        status=V1ServiceStatus(load_balancer=V1LoadBalancerStatus(ingress=ingress)),
    )


def test_each_service_gets_an_address_of_its_own_the_oldest_first() -> None:
    given, refused = allocate([wish("young", 5), wish("old")], POOL)
    assert given == {"uid-old": POOL[0], "uid-young": POOL[1]}
    assert refused == {}


def test_what_a_service_holds_stays_its_own_whoever_is_older() -> None:
    given, _ = allocate([wish("new", -9), wish("holder", held=str(POOL[0]))], POOL)
    assert given == {"uid-holder": POOL[0], "uid-new": POOL[1]}


def test_of_two_that_claim_to_hold_one_address_the_older_keeps_it() -> None:
    given, _ = allocate([wish("copy", 5, held=str(POOL[0])), wish("owner", held=str(POOL[0]))], POOL)
    assert given == {"uid-owner": POOL[0], "uid-copy": POOL[1]}


def test_an_address_of_another_pool_in_the_status_is_replaced() -> None:
    given, _ = allocate([wish("moved", held="192.0.2.7")], POOL)
    assert given == {"uid-moved": POOL[0]}


def test_a_named_address_is_given_before_any_address_is_chosen() -> None:
    given, _ = allocate([wish("any"), wish("named", 5, requested=str(POOL[0]))], POOL)
    assert given == {"uid-named": POOL[0], "uid-any": POOL[1]}


def test_a_service_that_names_another_address_than_it_holds_moves_there() -> None:
    given, _ = allocate([wish("moves", held=str(POOL[0]), requested=str(POOL[2]))], POOL)
    assert given == {"uid-moves": POOL[2]}


def test_a_named_address_that_is_taken_or_foreign_is_refused_with_the_reason() -> None:
    wishes = [
        wish("holder", held=str(POOL[1])),
        wish("late", 5, requested=str(POOL[1])),
        wish("foreign", requested="192.0.2.7"),
    ]
    given, refused = allocate(wishes, POOL)
    assert given == {"uid-holder": POOL[1]}
    assert "taken by Service shop/holder" in str(refused["uid-late"])
    assert "not one of this region's addresses 198.51.100.64 to 198.51.100.66" in str(refused["uid-foreign"])


def test_an_empty_pool_is_refused_to_the_youngest() -> None:
    given, refused = allocate([wish(str(age), age) for age in range(4)], POOL)
    assert sorted(given) == ["uid-0", "uid-1", "uid-2"]
    assert "all 3 addresses" in str(refused["uid-3"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (service("x", protocol="SCTP"), "protocol SCTP is not offered"),
        (service("x", node_port=None), "has no node port"),
        (service("x", sources=["fd00::/8"]), "give IPv4 ranges"),
        (service("x", requested="my-address"), "is not an IPv4 address"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(asked: V1Service, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        read_wish(asked, PLAIN)


def test_another_types_and_another_providers_services_are_not_ours() -> None:
    asked = service("x")
    assert is_ours(asked, PLAIN)
    asked.spec.load_balancer_class = "example.com/other"
    assert not is_ours(asked, PLAIN)
    asked.spec.load_balancer_class, asked.spec.type = None, "ClusterIP"
    assert not is_ours(asked, PLAIN)


def test_source_ranges_are_read_from_the_spec_and_else_from_the_annotation() -> None:
    annotations = {"service.beta.kubernetes.io/load-balancer-source-ranges": "192.0.2.0/24, 203.0.113.9/32"}
    assert read_wish(service("x", annotations=annotations), PLAIN).sources == (
        IPv4Network("192.0.2.0/24"),
        IPv4Network("203.0.113.9/32"),
    )
    both = service("x", annotations=annotations, sources=["198.51.100.12/32"])
    assert read_wish(both, PLAIN).sources == (IPv4Network("198.51.100.12/32"),)


NODES = tuple(IPv4Address(f"10.0.0.{host}") for host in (11, 12, 13))


def balancer(asked: Wish, nodes: tuple[IPv4Address, ...]) -> Balancer:
    return Balancer(asked.path, POOL[0], asked.ports, asked.sources, nodes)


def test_new_connections_are_spread_evenly_over_the_nodes() -> None:
    rules = render([balancer(wish("web"), NODES)])
    shares = [line.split("--probability ")[1].split()[0] for line in rules.splitlines() if "--probability" in line]
    # A third; half of the rest; all of what is left, without a condition.
    assert [float(share) for share in shares] == pytest.approx([1 / 3, 1 / 2])
    assert [f"--to-destination {node}:30080" in rules for node in NODES] == [True] * 3


def test_only_admitted_sources_are_forwarded_for_new_and_for_open_connections() -> None:
    asked = read_wish(service("web", sources=["198.51.100.12/32"]), PLAIN)
    lines = render([balancer(asked, NODES[:1])]).splitlines()
    (nat,) = [line for line in lines if "DNAT" in line]
    (accept,) = [line for line in lines if "ACCEPT" in line]
    assert "-s 198.51.100.12/32" in nat
    assert "--ctorigsrc 198.51.100.12/32" in accept


def test_without_a_service_both_chains_are_emptied() -> None:
    lines = render([]).splitlines()
    assert [line for line in lines if line.startswith(":")] == [
        ":SPANMESH-LB-NAT - [0:0]",
        ":SPANMESH-LB-FILTER - [0:0]",
    ]
    assert not any(line.startswith("-A") for line in lines)
