"""Proxies: what they refuse or are late with, their versions, their connections and endpoints on other networks."""

from typing import Any

import pytest

from envoy.endpoint import Endpoint
from health.check import State
from health.observed import Istiod, Observed, ObservedCluster, ProxySync, Unknown
from health.proxy import Proxy, Rejected, Upstream
from tests.unit.health.facts import HELLO, cluster, istiod, observed, proxy, said, states, wrong

SYNCED = {"CDS": "SYNCED", "LDS": "SYNCED", "EDS": "SYNCED", "RDS": "NOT SENT"}
GATEWAY = "198.51.100.8:15443"


def syncing(pod: str, version: str = "1.30.5", errors: dict[str, str] | None = None, **states: str) -> ProxySync:
    """A sidecar of cluster1."""
    return ProxySync(f"{pod}.sample", "cluster1", "sidecar", version, {**SYNCED, **states}, errors or {})


def knowing(*proxies: ProxySync, **given: Any) -> ObservedCluster:
    """cluster1 whose istiod has these proxies."""
    istiods: tuple[Istiod, ...] = (istiod(1, proxies=proxies),)
    return cluster(1, istiods=istiods, **given)


def message(facts: Observed, check: str) -> str:
    """What a check says is wrong."""
    return "; ".join(each.message for each in said(facts, check) if each.cause)


def test_proxies_in_step_are_counted() -> None:
    facts = observed(knowing(syncing("a"), syncing("b")))
    assert [each.message for each in said(facts, "proxy-sync")] == ["2 proxies", "0 proxies"]
    assert states(facts, "proxy-sync", "gateway-connections", "endpoints") == {State.OK}


def test_what_many_proxies_reject_is_one_finding_in_envoys_words() -> None:
    proxies = [syncing(name, errors={"LDS": "bad filter"}, LDS="REJECTED") for name in "abcd"]
    facts = observed(knowing(*proxies))
    assert wrong(facts, "proxy-sync") == [("SM661", "cluster1")]
    assert message(facts, "proxy-sync") == "proxies a.sample, b.sample, c.sample and 1 more rejected LDS: bad filter"


def test_what_istiod_does_not_say_the_proxy_says() -> None:
    told = Proxy("a.sample", "sidecar", rejected=(Rejected("LDS", "unknown extension"),))
    facts = observed(knowing(syncing("a", LDS="STALE"), proxies=(told,)))
    assert wrong(facts, "proxy-sync") == [("SM661", "cluster1")]
    assert message(facts, "proxy-sync") == "proxy a.sample rejected LDS: unknown extension"


def test_a_proxy_that_is_late_is_no_failure() -> None:
    facts = observed(knowing(syncing("a", EDS="STALE")))
    assert wrong(facts, "proxy-sync") == [("SM662", "cluster1")]
    assert states(facts, "proxy-sync") == {State.WARNING, State.OK}


@pytest.mark.parametrize(
    ("version", "supported"),
    [("1.30.1", True), ("1.29.8", True), ("1.28.0", False), ("1.31.0", False), ("latest", True)],
)
def test_a_proxy_may_be_one_minor_version_older_and_none_newer(version: str, supported: bool) -> None:
    expected = [] if supported else [("SM663", "cluster1")]
    assert wrong(observed(knowing(syncing("a", version))), "proxy-sync") == expected


@pytest.mark.parametrize(
    ("upstream", "why"),
    [
        (Upstream(GATEWAY, 90, 9, 2, 2), "2 connections failed within a second, and none came about"),
        (Upstream(GATEWAY, 90, 9, ejected=4), "ejected by outlier detection for 4 Services; 9 connections failed"),
    ],
)
def test_connections_that_fail_now_are_told(upstream: Upstream, why: str) -> None:
    facts = observed(cluster(1, proxies=(proxy(1, upstreams=(upstream,)),)))
    assert wrong(facts, "gateway-connections") == [("SM665", "cluster1 -> cluster2")]
    assert message(facts, "gateway-connections") == (
        f"proxy client.sample to {GATEWAY}, the gateway of cluster2: {why}"
    )


@pytest.mark.parametrize(
    "upstream",
    [Upstream(GATEWAY, 9, 9), Upstream(GATEWAY, 90, 9, 3, 1), Upstream(GATEWAY, 1, 1, 1, 1), Upstream(GATEWAY, 0, 0)],
    ids=["failed before", "some come about", "one", "none tried"],
)
def test_connections_that_failed_once_are_no_alarm(upstream: Upstream) -> None:
    facts = observed(cluster(1, proxies=(proxy(1, upstreams=(upstream,)),)))
    assert states(facts, "gateway-connections") == {State.OK}


def test_pods_of_another_network_as_endpoints_are_named() -> None:
    raw = Endpoint("10.244.0.9", 8080, workload="hello", namespace="sample", cluster="cluster2")
    facts = observed(cluster(1, proxies=(proxy(1, endpoints={HELLO: (raw,)}),)))
    assert wrong(facts, "endpoints") == [("SM670", "cluster1 -> cluster2")]
    assert message(facts, "endpoints") == (
        "of those asked, proxy client.sample of cluster1: pods of cluster2 in network2 as endpoints: "
        "10.244.0.9:8080 of hello.sample.svc.cluster.local:80"
    )


def test_pods_of_another_cluster_on_the_same_network_are_as_they_should_be() -> None:
    raw = Endpoint("10.244.0.9", 8080, workload="hello", namespace="sample", cluster="elsewhere")
    facts = observed(cluster(1, proxies=(proxy(1, endpoints={HELLO: (raw,)}),)))
    assert states(facts, "endpoints") == {State.OK}


def test_a_client_that_does_not_answer_leaves_it_open() -> None:
    silent = cluster(1, proxies=(Proxy("client.sample", "sidecar", problem="refused"),))
    assert states(observed(silent), "gateway-connections", "endpoints") == {State.SKIPPED, State.OK}
    unknown = cluster(1, proxies=Unknown("not asked"))
    assert states(observed(unknown), "gateway-connections", "endpoints") == {State.SKIPPED, State.OK}
    nobody = cluster(1, proxies=())
    assert states(observed(nobody), "gateway-connections", "endpoints") == {State.OK}
