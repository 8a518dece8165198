"""Pods of east-west gateways that no istiod has."""

from health.check import State
from health.observed import CutOff, EastWestGateway, Unknown
from tests.unit.health.facts import cluster, observed, said, states, trust, wrong

CHECK = "gateway-istiods"


def test_a_gateway_that_its_istiod_has_is_well() -> None:
    assert states(observed(cluster(1)), CHECK) == {State.OK}


def test_each_pod_without_istiod_is_named_with_the_last_word_of_its_log() -> None:
    facts = observed(
        cluster(2, cut_off=(CutOff("gateway-1", "x509: unknown authority"), CutOff("gateway-2", "x" * 400)))
    )
    assert wrong(facts, CHECK) == [("SM664", "cluster2")]
    (message,) = [each.message for each in said(facts, CHECK) if each.cause]
    assert message == (
        "pod gateway-1 is ready, and among the proxies of no istiod; its log: x509: unknown authority; "
        f"pod gateway-2 is ready, and among the proxies of no istiod; its log: {'x' * 300} …"
    )


def test_a_pod_whose_log_says_nothing_is_named_all_the_same() -> None:
    (result, _) = said(observed(cluster(1, cut_off=(CutOff("gateway-1"),))), CHECK)
    assert result.message == "pod gateway-1 is ready, and among the proxies of no istiod"


def test_what_istiods_do_not_say_is_not_called_well() -> None:
    facts = observed(cluster(1, cut_off=Unknown("istiod pod a does not say which proxies it has")))
    assert states(facts, CHECK) == {State.SKIPPED, State.OK}


def test_it_follows_from_another_root_or_a_missing_gateway() -> None:
    for fault in ({"trust": trust(1, "other")}, {"gateway": EastWestGateway("LoadBalancer", (), (), "network1")}):
        facts = observed(cluster(1, cut_off=(CutOff("gateway-1"),), **fault))
        assert wrong(facts, CHECK) == []
        assert [each.because is not None for each in said(facts, CHECK)] == [True, False]
