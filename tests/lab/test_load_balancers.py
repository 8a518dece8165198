"""Services of type LoadBalancer get public addresses as in a cloud."""

from collections.abc import Iterator

import pytest

from lab import Lab
from tests.lab.balanced import NAMESPACE, REGION, Balanced
from tests.lab.kubectl import eventually, service

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def balanced(lab: Lab) -> Iterator[Balanced]:
    found = Balanced(lab)
    yield found
    found("delete", "namespace", NAMESPACE)


@pytest.fixture
def exposed(balanced: Balanced) -> Iterator[str]:
    """The address of a Service `shop` of type LoadBalancer that answers."""
    balanced.apply(service("shop", "web", type="LoadBalancer"))
    assert eventually(lambda: balanced.address("shop") != "")
    address = balanced.address("shop")
    assert eventually(lambda: balanced.answers(address))
    yield address
    balanced("delete", "service", "shop", "--ignore-not-found")
    assert eventually(lambda: not balanced.router_has(address))


def test_the_address_is_of_the_regions_pool_and_said_in_an_event(balanced: Balanced, exposed: str) -> None:
    assert exposed in map(str, balanced.region.load_balancer_pool)
    assert eventually(
        lambda: any(
            reason == "EnsuredLoadBalancer" and exposed in message for reason, message in balanced.events("shop")
        )
    )


def test_source_ranges_are_honoured_and_follow_changes(balanced: Balanced, exposed: str) -> None:
    def only(source: str) -> None:
        balanced(
            "patch", "service", "shop", "--type=merge", "-p", f'{{"spec":{{"loadBalancerSourceRanges":["{source}"]}}}}'
        )

    only("203.0.113.0/24")
    assert eventually(lambda: not balanced.answers(exposed))
    # The peer is seen under its router's address.
    only(f"{balanced.peer.api_address}/32")
    assert eventually(lambda: balanced.answers(exposed))
    balanced(
        "patch", "service", "shop", "--type=json", "-p", '[{"op":"remove","path":"/spec/loadBalancerSourceRanges"}]'
    )
    assert eventually(lambda: balanced.answers(exposed))


def test_the_address_is_taken_back_when_the_service_goes(balanced: Balanced, exposed: str) -> None:
    balanced("delete", "service", "shop")
    assert eventually(lambda: not balanced.router_has(exposed))
    assert not balanced.answers(exposed)


def test_the_address_is_taken_back_when_the_type_changes(balanced: Balanced, exposed: str) -> None:
    balanced("patch", "service", "shop", "--type=merge", "-p", '{"spec":{"type":"ClusterIP"}}')
    assert eventually(lambda: not balanced.router_has(exposed) and balanced.address("shop") == "")


def test_it_is_stable_over_a_restart_and_what_was_done_meanwhile_is_caught_up_with(
    balanced: Balanced, exposed: str
) -> None:
    router = balanced.lab.machine(f"{REGION}-router")
    router.supervisor.stop("load-balancer")
    try:
        balanced.apply(service("meanwhile", "web", type="LoadBalancer"))
        assert balanced.answers(exposed), "open addresses must not depend on the controller running"
    finally:
        router.supervisor.start("load-balancer")
    assert eventually(lambda: balanced.address("meanwhile") not in ("", exposed))
    assert balanced.address("shop") == exposed
    assert balanced.answers(exposed)
    balanced("delete", "service", "meanwhile")


def test_a_named_address_is_given_and_a_taken_or_foreign_one_refused_with_the_reason(
    balanced: Balanced, exposed: str
) -> None:
    last = str(balanced.region.load_balancer_pool[-1])
    balanced.apply(
        service("named", "web", type="LoadBalancer", loadBalancerIP=last),
        service("taken", "web", type="LoadBalancer", loadBalancerIP=exposed),
        service("foreign", "web", type="LoadBalancer", loadBalancerIP="203.0.113.9"),
    )
    assert eventually(lambda: balanced.address("named") == last)
    for name, reason in (("taken", "is taken by Service balanced/shop"), ("foreign", "is not one of this region's")):
        assert eventually(
            lambda name=name, reason=reason: any(  # type: ignore[misc]
                kind == "SyncLoadBalancerFailed" and reason in text for kind, text in balanced.events(name)
            )
        )
        assert balanced.address(name) == ""
    balanced("delete", "service", "named", "taken", "foreign")


def test_another_providers_class_is_left_alone(balanced: Balanced) -> None:
    balanced.apply(
        service("other", "web", type="LoadBalancer", loadBalancerClass="example.com/other"),
        service("after", "web", type="LoadBalancer"),
    )
    assert eventually(lambda: balanced.address("after") != "")
    assert balanced.address("other") == ""
    balanced("delete", "service", "other", "after")


def test_an_exhausted_pool_is_said_and_the_next_free_address_goes_to_who_waits(balanced: Balanced) -> None:
    names = [f"many-{number}" for number in range(len(balanced.region.load_balancer_pool) + 1)]
    balanced.apply(*(service(name, "web", type="LoadBalancer") for name in names))

    def without() -> list[str]:
        return [name for name in names if not balanced.address(name)]

    def told(name: str) -> bool:
        return any(
            reason == "SyncLoadBalancerFailed" and "are taken" in message for reason, message in balanced.events(name)
        )

    assert eventually(lambda: bool(without()) and all(told(name) for name in without()))
    waiting = without()
    balanced("delete", "service", next(name for name in names if name not in waiting))
    assert eventually(lambda: any(balanced.address(name) for name in waiting))
    balanced("delete", *balanced("get", "service", "-o", "name").split())
