"""Names, networks and clocks of clusters, held against what is declared and against each other."""

from dataclasses import replace
from typing import Any

import pytest

from health.check import State
from health.observed import IstiodSettings, Observed, Unknown
from tests.unit.health.facts import cluster, observed, said, states, wrong


def settings(**given: Any) -> IstiodSettings:
    """Those of cluster2."""
    return replace(IstiodSettings("cluster2", "network2", "mesh1", "cluster.local", 1), **given)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"cluster": "elsewhere"}, "SM651", "CLUSTER_ID of istiod in cluster2 is elsewhere; declared is cluster2"),
        ({"cluster": ""}, "SM651", "is empty; declared is cluster2"),
        ({"cluster": "cluster1"}, "SM652", "CLUSTER_ID of istiod in cluster2 is cluster1, and so is that of cluster1"),
        ({"network": "network1"}, "SM653", "of namespace istio-system is network1; declared is network2"),
        ({"network": None}, "SM653", "of namespace istio-system is missing; declared is network2"),
        ({"mesh_id": "mesh2"}, "SM655", "mesh id is mesh2; declared is mesh1"),
        ({"trust_domain": "acme.com"}, "SM656", "trust domain is acme.com; declared is cluster.local"),
    ],
)
def test_what_istiod_was_told_otherwise_than_declared_is_named(given: dict[str, Any], code: str, message: str) -> None:
    facts = observed(cluster(2, settings=settings(**given)))
    assert wrong(facts, "identity") == [(code, "cluster2")]
    assert message in next(each.message for each in said(facts, "identity") if each.cause)


@pytest.mark.parametrize("network", ["network1", None])
def test_a_gateway_with_another_network_is_named(network: str | None) -> None:
    gateway = cluster(2).gateway
    assert wrong(observed(cluster(2, gateway=replace(gateway, network=network))), "identity") == [  # type: ignore[type-var]
        ("SM654", "cluster2")
    ]


def test_the_cluster_that_has_its_name_by_right_is_not_blamed_for_another_that_took_it() -> None:
    facts = observed(cluster(1, settings=settings(cluster="cluster2", network="network1")))
    assert wrong(facts, "identity") == [("SM652", "cluster1")]


def test_a_cluster_without_istiod_is_skipped_and_its_gateway_still_looked_at() -> None:
    results = said(observed(cluster(2, settings=None)), "identity")
    assert [(each.where, each.state) for each in results] == [("cluster1", State.OK), ("cluster2", State.SKIPPED)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.3, -0.4, []),
        (0.0, 9.0, []),
        (0.0, 11.0, [("SM658", "cluster2")]),
        (0.0, -11.0, [("SM658", "cluster2")]),
        (0.0, 121.0, [("SM657", "cluster2")]),
        (-86400.0, 0.0, [("SM657", "cluster1")]),
        (600.0, 600.5, [("SM659", "mesh")]),
        (-600.0, -600.5, [("SM659", "mesh")]),
    ],
)
def test_clocks_that_disagree_are_named(first: float, second: float, expected: list[tuple[str, str]]) -> None:
    facts = observed(cluster(1, clock=first), cluster(2, clock=second))
    assert wrong(facts, "clocks") == expected


def test_a_clock_says_which_way_it_is_wrong() -> None:
    def message(facts: Observed) -> str:
        return next(each.message for each in said(facts, "clocks") if each.cause)

    assert message(observed(cluster(2, clock=-300))) == "the clock of cluster2's API server is 300 s behind the others'"
    assert "is 1 day, 0:00:00 ahead of" in message(observed(cluster(2, clock=86400)))
    both = observed(cluster(1, clock=700), cluster(2, clock=700))
    assert message(both) == "this machine's clock is 0:11:40 behind the clusters'"


def test_an_unknown_clock_is_skipped() -> None:
    assert states(observed(cluster(2, clock=Unknown("no Date"))), "clocks") == {State.OK, State.SKIPPED}
