"""Services and pods as several clusters have them: what differs so that requests do not cross."""

from dataclasses import replace
from typing import Any

import pytest

from health.check import State
from health.observed import Observed, Unknown
from policy.world import Pods, Service
from tests.unit.health.facts import cluster, declared, observed, proxy, said, service, states, wrong

ALL = ("sidecars", "services", "service-names")
INJECTED = {"sample": True, "tools": False}
BARE = Pods("sample", {"app": "hello"}, injected=False, ready=2)


def message(facts: Observed, check: str) -> str:
    """What a check says is wrong."""
    return "; ".join(each.message for each in said(facts, check) if each.cause)


def test_the_same_services_everywhere_are_well() -> None:
    assert states(observed(), *ALL) == {State.OK}


def test_pods_without_sidecar_behind_a_service_are_named_with_those_who_do_not_reach_them() -> None:
    facts = observed(cluster(2, unmeshed=(BARE,)))
    assert wrong(facts, "sidecars") == [("SM671", "cluster2")]
    assert message(facts, "sidecars") == ("sample/hello: 2 ready pods without sidecar; not reached from cluster1")


def test_a_namespace_that_one_cluster_does_not_inject_is_said_to_be_the_reason() -> None:
    facts = observed(cluster(2, unmeshed=(BARE,), namespaces={"sample": False}))
    assert wrong(facts, "sidecars") == [("SM671", "cluster2")]
    assert "since cluster2 does not inject that namespace" in message(facts, "sidecars")


@pytest.mark.parametrize(
    "given",
    [
        {"unmeshed": (replace(BARE, labels={"app": "job"}),)},
        {"unmeshed": (replace(BARE, ready=0),)},
        {"unmeshed": (replace(BARE, namespace="tools"),), "services": (replace(service("hello"), namespace="tools"),)},
    ],
    ids=["behind no Service", "not ready", "namespace of no mesh"],
)
def test_pods_that_nobody_wants_to_reach_are_no_alarm(given: dict[str, Any]) -> None:
    assert states(observed(cluster(2, **given)), "sidecars") == {State.OK}


def test_where_pods_were_not_listed_nothing_is_ok() -> None:
    facts = observed(cluster(2, unmeshed=Unknown("listing pods is forbidden")))
    assert [(each.state, each.cluster) for each in said(facts, "sidecars")] == [
        (State.OK, "cluster1"),
        (State.SKIPPED, "cluster2"),
    ]


@pytest.mark.parametrize(
    ("other", "code", "text"),
    [
        (service("hello", ("web", 80)), "SM672", "sample/hello: port 80 is called http in cluster1, web in cluster2"),
        (service("hello", ("http", 81)), "SM673", "sample/hello: port http is 80 in cluster1, 81 in cluster2"),
        (service("hello", headless=True), "SM674", "with a cluster IP in cluster1, headless in cluster2"),
        (
            service("hello", type="ExternalName", selector={}),
            "SM674",
            "with a cluster IP in cluster1, an ExternalName in cluster2",
        ),
    ],
)
def test_what_differs_between_services_of_one_name_is_named(other: Service, code: str, text: str) -> None:
    facts = observed(cluster(2, services=(other,)))
    assert wrong(facts, "services") == [(code, "cluster1 -> cluster2")]
    assert text in message(facts, "services")


@pytest.mark.parametrize("name", ["sample", "kube-system"])
def test_services_that_are_not_in_the_mesh_of_both_may_differ(name: str) -> None:
    other = replace(service("hello", ("web", 8080)), namespace=name)
    mine = replace(service("hello"), namespace=name)
    without = {"sample": False, "kube-system": True}
    facts = observed(cluster(1, services=(mine,)), cluster(2, services=(other,), namespaces=without))
    assert states(facts, *ALL) == {State.OK}


def test_headless_everywhere_is_meant_so() -> None:
    both = [cluster(number, services=(service("hello", headless=True),)) for number in (1, 2)]
    assert states(observed(*both), *ALL) == {State.OK}


def test_names_that_one_cluster_does_not_know_are_one_warning() -> None:
    more = tuple(service(f"s{number}") for number in range(7))
    facts = observed(cluster(2, services=(service("hello"), *more)))
    assert wrong(facts, "service-names") == [("SM675", "cluster1 -> cluster2")]
    assert message(facts, "service-names").endswith("s4.sample (runs in cluster2); and 2 Services more")
    assert State.FAILED not in states(facts, "service-names")


@pytest.mark.parametrize(
    "client",
    [
        {"namespaces": {"sample": False}},
        {"namespaces": {}},
        {"proxies": (proxy(1, dns_capture=True),)},
    ],
    ids=["namespace not in the mesh", "no such namespace", "sidecars answer DNS"],
)
def test_a_name_that_nobody_there_can_miss_is_no_alarm(client: dict[str, Any]) -> None:
    facts = observed(cluster(1, services=(), **client))
    assert states(facts, "service-names") == {State.OK}


def test_clusters_that_do_not_read_each_other_are_not_compared() -> None:
    mesh = declared(linked=False)
    other = cluster(2, services=(service("hello", ("web", 80)), service("more")), unmeshed=(BARE,))
    assert states(observed(other, mesh=mesh), *ALL) == {State.OK}


def test_a_cluster_that_does_not_say_its_services_is_skipped_and_the_others_compared() -> None:
    facts = observed(cluster(2, services=Unknown("forbidden")))
    assert [(each.state, each.cluster, each.message) for each in said(facts, "services")] == [
        (State.SKIPPED, "cluster2", "forbidden"),
        (State.OK, "cluster1", ""),
    ]
