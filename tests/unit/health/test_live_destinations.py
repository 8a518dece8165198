"""Live routes lead to Services and subsets that are there, or it is said which does not, and where."""

from typing import Any

import pytest

from health.check import State
from health.observed import Unknown
from tests.unit.health.facts import cluster, observed, said, wrong
from tests.unit.health.test_live_policy import holding, made, message, rule

CHECK = "policy-destinations"


def route(host: str, subset: str | None = None) -> dict[str, Any]:
    """A VirtualService for hello that sends everything to one destination."""
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return made("VirtualService", "hello", {"hosts": ["hello"], "http": [{"route": [{"destination": destination}]}]})


def entry(host: str) -> dict[str, Any]:
    """A ServiceEntry."""
    return made("ServiceEntry", "else", {"hosts": [host]})


@pytest.mark.parametrize(
    ("objects", "code", "text"),
    [
        ([route("nobody")], "SM688", "nobody is nobody in namespace sample, which no cluster has"),
        ([route("hello", "v9"), rule(subsets=[{"name": "v1"}])], "SM687", "subset v9 of hello"),
        ([route("hello", "v9")], "SM687", "no DestinationRule has the host"),
    ],
)
def test_a_route_to_what_is_not_there_is_named(objects: list[dict[str, Any]], code: str, text: str) -> None:
    facts = observed(holding(1, *objects), holding(2))
    assert wrong(facts, CHECK) == [(code, "cluster1")]
    assert text in message(facts, CHECK)


@pytest.mark.parametrize(
    "objects",
    [
        [route("hello")],
        [route("hello", "v1"), rule(subsets=[{"name": "v1"}])],
        [route("else.sample.svc.cluster.local"), entry("else.sample.svc.cluster.local")],
        [rule()],
    ],
)
def test_routes_to_what_is_there_are_ok(objects: list[dict[str, Any]]) -> None:
    facts = observed(holding(1, *objects), holding(2))
    assert wrong(facts, CHECK) == []


def test_where_a_cluster_does_not_say_its_policy_nothing_is_said_to_be_missing() -> None:
    facts = observed(holding(1, route("nobody")), cluster(2, policy=Unknown("forbidden")))
    assert wrong(facts, CHECK) == []
    assert State.SKIPPED in {each.state for each in said(facts, CHECK)}


def test_a_gateway_that_selects_no_pod_is_named_with_its_selector() -> None:
    facts = observed(holding(1, idle_gateways={"sample/edge": "istio=edge"}), holding(2))
    assert wrong(facts, "gateway-selectors") == [("SM689", "cluster1")]
    assert message(facts, "gateway-selectors") == "Gateway sample/edge: no pod has istio=edge"
