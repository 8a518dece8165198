"""Subsets that go before the routes to them."""

from live.policy.withdrawn_subsets import withdrawn_subsets
from tests.unit.live.policy.objects import STACK, held, placed, route, rule

FULL = "reviews.shop.svc.cluster.local"


def test_a_subset_that_live_routes_of_any_cluster_still_use_is_told_where_it_goes() -> None:
    clusters = {
        "cluster1": held(rule("v1", "v2", stack=STACK), route("v2", stack=STACK)),
        "cluster2": held(rule("v1", "v2", stack=STACK), route("v1", "v2", stack=STACK, host=FULL)),
    }
    first, second = withdrawn_subsets(placed(rule("v2"), route("v2")), clusters)
    assert (first.rule.code, first.clusters, second.clusters) == ("SM505", ("cluster1",), ("cluster2",))
    assert f"subset v1 of {FULL} goes, and the live VirtualService shop/reviews in cluster2 leads" in first.message
    assert first.line == placed(rule("v2"))[0].document.lines["spec", "subsets"]
    assert not first.stops


def test_routes_of_others_count_too_and_a_mirror_is_a_route() -> None:
    theirs = route("v2", name="theirs")
    theirs["spec"]["http"][0]["mirror"] = {"host": "reviews", "subset": "v1"}
    clusters = {"cluster1": held(rule("v1", "v2", stack=STACK)), "cluster2": held(theirs)}
    (finding,) = withdrawn_subsets(placed(rule("v2")), clusters)
    assert "VirtualService shop/theirs in cluster2" in finding.message


def test_a_subset_that_goes_after_its_routes_is_in_order() -> None:
    clusters = {"cluster1": held(rule("v1", "v2", stack=STACK), route("v2", stack=STACK))}
    assert withdrawn_subsets(placed(rule("v2"), route("v2")), clusters) == []


def test_a_subset_that_another_rule_takes_over_does_not_go() -> None:
    clusters = {"cluster1": held(rule("v1", "v2", stack=STACK), route("v1", stack=STACK))}
    assert withdrawn_subsets(placed(rule("v2"), rule("v1", name="more"), route("v2")), clusters) == []


def test_a_rule_that_goes_altogether_goes_after_the_routes_by_itself() -> None:
    clusters = {"cluster1": held(rule("v1", stack=STACK), route("v1", stack=STACK))}
    assert withdrawn_subsets(placed(route("v2")), clusters) == []


def test_a_route_that_goes_on_to_a_subset_that_nobody_defines_is_another_rules_matter() -> None:
    clusters = {"cluster1": held(rule("v1", "v2", stack=STACK), route("v1", stack=STACK))}
    assert withdrawn_subsets(placed(rule("v2"), route("v1")), clusters) == []
