"""East-west gateways: what is wrong with one, what istiods of other networks know of it, and who answers there."""

from dataclasses import replace
from typing import Any

import pytest

from health.check import State
from health.observed import EastWestGateway, GatewayPod, NetworkGateway, Observed, ObservedCluster, Unknown
from tests.unit.health.facts import certificate, cluster, handshake, istiod, observed, said, states, wrong

SHUT_POD = GatewayPod("other", ready=False, reason="ImagePullBackOff")


def gateway(**given: Any) -> EastWestGateway:
    """That of cluster2."""
    made = cluster(2).gateway
    assert isinstance(made, EastWestGateway)
    return replace(made, **given)


def messages(facts: Observed, check: str) -> str:
    """What a check says is wrong."""
    return "; ".join(each.message for each in said(facts, check) if each.cause)


def test_healthy_gateways_are_well_and_known() -> None:
    assert states(observed(), "gateways", "known-gateways", "gateway-ports") == {State.OK}


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"addresses": ()}, "SM641", "(LoadBalancer) has no address, and no event says why"),
        ({"addresses": (), "events": ("SyncFailed: quota",)}, "SM641", "has no address: SyncFailed: quota"),
        ({"pods": ()}, "SM642", "no pod of the east-west gateway is ready: there is none"),
        ({"pods": (SHUT_POD,)}, "SM642", "no pod of the east-west gateway is ready: pod other: ImagePullBackOff"),
        ({"pods": (*gateway().pods, SHUT_POD)}, "SM643", "1 of 2 pods of the east-west gateway are not ready"),
        ({"ports": (("status-port", 15021),)}, "SM644", "has the ports 15021, not 15443"),
        ({"ports": (("tls", 15443), ("status-port", 15021))}, "SM645", "the first port of the Service"),
    ],
)
def test_what_is_wrong_with_a_gateway_is_named(given: dict[str, Any], code: str, message: str) -> None:
    facts = observed(cluster(2, gateway=gateway(**given)))
    assert wrong(facts, "gateways") == [(code, "cluster2")]
    assert message in messages(facts, "gateways")


def test_a_gateway_that_is_gone_is_named_with_those_who_need_it() -> None:
    facts = observed(cluster(2, gateway=None))
    assert wrong(facts, "gateways") == [("SM640", "cluster2")]
    assert "cluster1 cannot reach cluster2" in messages(facts, "gateways")


def test_a_node_port_needs_no_address_and_its_ports_no_order() -> None:
    ports = (("tls", 15443), ("status-port", 15021))
    assert states(observed(cluster(2, gateway=gateway(type="NodePort", addresses=(), ports=ports))), "gateways") == {
        State.OK
    }


def known(*gateways: NetworkGateway) -> ObservedCluster:
    """cluster1 whose istiod knows these gateways."""
    return cluster(1, istiods=(istiod(1, gateways=gateways),))


def test_an_istiod_that_does_not_know_a_gateway_is_named() -> None:
    facts = observed(known())
    assert wrong(facts, "known-gateways") == [("SM646", "cluster1 -> cluster2")]
    assert "knows no gateway of cluster2 in network network2, whose gateway has 198.51.100.8" in messages(
        facts, "known-gateways"
    )


def test_of_several_istiods_the_one_that_does_not_know_is_named() -> None:
    facts = observed(cluster(1, istiods=(istiod(1), istiod(1, pod="late", gateways=()))))
    assert wrong(facts, "known-gateways") == [("SM646", "cluster1 -> cluster2")]
    assert "istiod pod late" in messages(facts, "known-gateways")


def test_a_host_name_that_does_not_resolve_is_said_to_be_one() -> None:
    named = cluster(2, gateway=gateway(addresses=("lb.example.com",)))
    assert "may not resolve in that pod: lb.example.com" in messages(observed(known(), named), "known-gateways")
    resolved = known(NetworkGateway("network2", "cluster2", "203.0.113.9", 15443))
    assert states(observed(resolved, named), "known-gateways") == {State.OK}


def test_an_address_that_the_gateway_does_not_have_is_named() -> None:
    facts = observed(known(NetworkGateway("network2", "cluster2", "198.51.100.99", 15443)))
    assert wrong(facts, "known-gateways") == [("SM647", "cluster1 -> cluster2")]
    assert "to 198.51.100.99; its gateway has 198.51.100.8" in messages(facts, "known-gateways")


def test_that_a_gateway_without_address_is_not_known_follows_from_that() -> None:
    facts = observed(known(), cluster(2, gateway=gateway(addresses=())))
    assert wrong(facts, "gateways", "known-gateways") == [("SM641", "cluster2")]


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"connected": False, "chain": (), "identities": (), "reason": "timed out"},
            "SM648",
            "198.51.100.8:15443 of cluster2's gateway does not answer a pod of cluster1: no TCP connection comes about "
            "(timed out)",
        ),
        ({"chain": (), "identities": (), "reason": "reset"}, "SM648", "TCP connects, but no TLS comes about (reset)"),
        (
            {"chain": (certificate("lb", "Public CA"),), "identities": ()},
            "SM649",
            "a certificate that is no workload's: CN=lb, issued by CN=Public CA",
        ),
    ],
)
def test_who_does_not_pass_a_connection_on_is_named(given: dict[str, Any], code: str, message: str) -> None:
    facts = observed(cluster(1, handshakes=(handshake(2, **given),)))
    assert wrong(facts, "gateway-ports") == [(code, "cluster1 -> cluster2")]
    assert message in messages(facts, "gateway-ports")


def test_without_a_probe_nobody_says_that_a_port_answers() -> None:
    unknown = cluster(1, handshakes=Unknown("no probe was sent"))
    results = [each for each in said(observed(unknown), "gateway-ports") if each.cluster == "cluster1"]
    assert [(each.state, each.message) for each in results] == [(State.SKIPPED, "no probe was sent")]
    assert states(observed(cluster(1, handshakes=())), "gateway-ports") == {State.SKIPPED, State.OK}
