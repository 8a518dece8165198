"""Port 15443 of gateways: a limit that closes connections now is named; what was refused is told."""

from health.check import State
from health.observed import Observed, Unknown
from health.proxy import Door, Proxy
from tests.unit.health.facts import cluster, observed, proxy, said, states, wrong

CHECK = "gateway-limits"


def with_gateways(*doors: Door | None) -> Observed:
    """cluster1 with gateways of which each counts this."""
    gateways = [Proxy(f"gateway-{n}.istio-system", "router", door=door) for n, door in enumerate(doors)]
    return observed(cluster(1, proxies=(proxy(1), *gateways)))


def test_who_was_refused_is_told_over_all_pods() -> None:
    facts = with_gateways(Door(3, 0, 2), Door(4, 5, 1))
    assert states(facts, CHECK) == {State.OK}
    assert said(facts, CHECK)[0].message == (
        "7 connections of at most 40000; refused since the start: 5 beyond the limit, 3 that were no mutual TLS to a "
        "Service"
    )


def test_a_gateway_that_closes_connections_now_is_named_with_its_limit() -> None:
    facts = with_gateways(Door(3, 0, 0), Door(20_000, 70, 0, lately_over=9))
    assert wrong(facts, CHECK) == [("SM650", "cluster1")]
    (found,) = [each for each in said(facts, CHECK) if each.cause]
    assert found.state is State.WARNING
    assert found.message == (
        "gateway gateway-1.istio-system closed 9 connections within a second (70 since it started) and holds 20000; "
        "its limit is 20000"
    )


def test_gateways_of_before_the_counters_are_no_failure() -> None:
    assert said(with_gateways(None), CHECK)[0].message == "no gateway that counts its connections"


def test_proxies_that_were_not_asked_say_nothing() -> None:
    unknown = observed(cluster(1, proxies=Unknown("not asked")))
    assert said(unknown, CHECK)[0].state is State.SKIPPED
