"""Policy as clusters hold it: in step with what is declared, where clients are, and harmless to other networks."""

from typing import Any

import pytest

from health.check import State
from health.live_policy import LivePolicy, PolicyDeviation
from health.observed import Observed, ObservedCluster
from policy.world import Pods
from tests.unit.health.facts import cluster, observed, said, states, wrong

HOST = "hello.sample.svc.cluster.local"
ALL = ("policy-in-step", "policy-mirrored", "policy-tls")
SIDECARS = (Pods("sample", {"app": "hello"}, injected=True, ready=1),)


def rule(name: str = "hello", mode: str | None = None, **spec: Any) -> dict[str, Any]:
    """A DestinationRule for hello."""
    policy = {"trafficPolicy": {"tls": {"mode": mode}}} if mode else {}
    return made("DestinationRule", name, {"host": HOST, **policy, **spec})


def made(kind: str, name: str, spec: dict[str, Any], group: str = "networking") -> dict[str, Any]:
    """An object of the namespace sample."""
    metadata = {"name": name, "namespace": "sample"}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def holding(number: int, *objects: dict[str, Any], **given: Any) -> ObservedCluster:
    """A cluster that holds these objects."""
    return cluster(number, policy=LivePolicy(tuple(objects), compared=0, **given))


def message(facts: Observed, check: str) -> str:
    """What a check says is wrong."""
    return "; ".join(each.message for each in said(facts, check) if each.cause)


@pytest.mark.parametrize(
    ("state", "code", "text"),
    [
        ("missing", "SM681", "VirtualService sample/hello (policies/a.yaml:3) is not there"),
        ("different", "SM682", "is not as declared: spec.http changed by kubectl-edit"),
        ("extra", "SM683", "is not declared"),
    ],
)
def test_what_is_not_as_declared_is_named(state: Any, code: str, text: str) -> None:
    fields = ("spec.http changed by kubectl-edit",) if state == "different" else ()
    deviation = PolicyDeviation(state, "VirtualService sample/hello", "policies/a.yaml:3", fields, "`pulumi up`")
    facts = observed(holding(2, deviations=(deviation,)))
    assert wrong(facts, "policy-in-step") == [(code, "cluster2")]
    assert text in message(facts, "policy-in-step")


def test_where_nobody_says_what_is_declared_nothing_is_in_step() -> None:
    facts = observed(cluster(2, policy=LivePolicy(())))
    assert [each.state for each in said(facts, "policy-in-step")] == [State.OK, State.SKIPPED]


def test_a_rule_that_only_one_cluster_has_is_named() -> None:
    facts = observed(holding(1, rule()))
    assert wrong(facts, "policy-mirrored") == [("SM684", "cluster1 -> cluster2")]
    assert message(facts, "policy-mirrored") == f"DestinationRule sample/hello for {HOST} is not in cluster2"


def test_a_route_that_is_another_in_the_other_cluster_is_named_once() -> None:
    one, other = ({"hosts": ["hello"], "http": [{"timeout": seconds}]} for seconds in ("1s", "2s"))
    facts = observed(holding(1, made("VirtualService", "r", one)), holding(2, made("VirtualService", "r", other)))
    assert wrong(facts, "policy-mirrored") == [("SM684", "cluster1 -> cluster2")]
    assert message(facts, "policy-mirrored") == f"VirtualService sample/r for {HOST} is different in cluster2"


@pytest.mark.parametrize(
    "one_sided",
    [
        holding(1, rule(), own=frozenset({"DestinationRule sample/hello"})),
        holding(1, made("VirtualService", "in", {"hosts": ["hello"], "gateways": ["ingress"]})),
        holding(1, rule(host="api.example.com")),
        holding(1, rule(host="other.sample.svc.cluster.local")),
        holding(1, rule(workloadSelector={"matchLabels": {"app": "client"}})),
    ],
    ids=["the stack's own", "of a gateway", "outside the mesh", "Service of one cluster", "for some clients"],
)
def test_what_belongs_to_one_cluster_is_no_alarm(one_sided: ObservedCluster) -> None:
    assert states(observed(one_sided), "policy-mirrored") == {State.OK}


def test_rules_of_another_name_for_the_same_host_are_not_missing() -> None:
    assert states(observed(holding(1, rule("a")), holding(2, rule("b"))), "policy-mirrored") == {State.OK}


def test_a_tls_mode_that_drops_remote_endpoints_is_named_where_its_clients_are() -> None:
    facts = observed(holding(1, rule(mode="SIMPLE"), pods=SIDECARS), holding(2, pods=SIDECARS))
    assert wrong(facts, "policy-tls") == [("SM685", "cluster1")]
    assert "with SIMPLE, clients in cluster1 lose the endpoints in cluster2" in message(facts, "policy-tls")


def test_of_two_rules_for_one_host_the_younger_ones_mode_is_not_followed() -> None:
    older, younger = rule("older"), rule("younger", mode="SIMPLE")
    older["metadata"]["creationTimestamp"], younger["metadata"]["creationTimestamp"] = "2026-01-01", "2026-02-02"
    older["spec"]["trafficPolicy"] = {"connectionPool": {}}
    first = holding(1, younger, older, pods=SIDECARS)
    assert states(observed(first, holding(2, older, pods=SIDECARS)), "policy-tls") == {State.OK}
    older["spec"]["trafficPolicy"], younger["spec"]["trafficPolicy"] = younger["spec"]["trafficPolicy"], {}
    assert wrong(observed(first, holding(2, pods=SIDECARS)), "policy-tls") == [("SM685", "cluster1")]


def test_plain_text_that_keeps_other_networks_away_is_named() -> None:
    plain = made("PeerAuthentication", "plain", {"mtls": {"mode": "DISABLE"}}, "security")
    facts = observed(holding(2, plain, pods=SIDECARS), holding(1, pods=SIDECARS))
    assert {code for code, _ in wrong(facts, "policy-tls")} == {"SM686"}


def test_plain_text_to_pods_without_sidecar_is_meant_so() -> None:
    bare = (Pods("sample", {"app": "hello"}, injected=False, ready=1),)
    facts = observed(holding(1, rule(mode="DISABLE"), pods=bare), holding(2, rule(mode="DISABLE"), pods=bare))
    assert states(facts, "policy-tls", "policy-mirrored") == {State.OK}


def test_istios_own_tls_and_no_tls_at_all_are_well() -> None:
    both = [holding(number, rule(mode="ISTIO_MUTUAL"), rule("more")) for number in (1, 2)]
    assert states(observed(*both), *ALL) == {State.OK}
