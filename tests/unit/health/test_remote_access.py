"""How clusters read each other: remote Secrets, tokens, and what each istiod made of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from health.check import State
from health.observed import RemoteCluster, RemoteKubeconfig, Unknown
from tests.unit.health.facts import NOW, cluster, declared, istiod, kubeconfig, observed, said, server, states, wrong

PAIR = "cluster1 -> cluster2"
ALL = ("remote-secrets", "remote-tokens", "remote-sync", "rotation-safe")


def test_a_mesh_as_declared_has_nothing_wrong() -> None:
    assert states(observed(), *ALL) == {State.OK}


@pytest.mark.parametrize(
    ("remote", "code", "where", "message"),
    [
        ((), "SM621", "cluster1", "no istiod here reads cluster2"),
        ((kubeconfig(1),), "SM622", PAIR, "has no key cluster2; its keys: cluster1"),
        ((kubeconfig(2), replace(kubeconfig(2), cluster="cluster9")), "SM623", "cluster1", "has the key cluster9"),
        (
            (kubeconfig(2), replace(kubeconfig(2), secret="by-hand")),  # noqa: S106 - a name
            "SM623",
            "cluster1",
            "the Secret istio-system/by-hand gives the istiods of cluster1 the cluster cluster2, as",
        ),
        ((kubeconfig(2, server=server(9)),), "SM624", PAIR, f"leads to {server(9)}; declared"),
        ((kubeconfig(2, server="https://198.51.100.12"),), "SM624", PAIR, "leads to https://198.51.100.12;"),
        ((kubeconfig(2, server="https://127.0.0.1:6443"),), "SM625", PAIR, "in a pod of cluster1 that is the pod"),
        ((kubeconfig(2, server="https://[::1]:6443"),), "SM625", PAIR, "https://[::1]:6443"),
        ((kubeconfig(2, server="https://localhost:6443"),), "SM625", PAIR, "localhost"),
        ((kubeconfig(2, problem="it names a program to run"),), "SM626", PAIR, "names a program to run"),
        ((kubeconfig(2, authority=("another",)),), "SM620", PAIR, "trusts another; the CA of cluster2"),
    ],
)
def test_what_is_wrong_with_a_remote_secret_is_named(
    remote: tuple[RemoteKubeconfig, ...], code: str, where: str, message: str
) -> None:
    facts = observed(cluster(1, remote=remote))
    assert wrong(facts, "remote-secrets") == [(code, where)]
    assert message in next(each.message for each in said(facts, "remote-secrets") if each.cause)


@pytest.mark.parametrize("same", ["https://198.51.100.12:6443/", "https://198.51.100.12:6443"])
def test_another_spelling_of_the_declared_server_is_the_declared_server(same: str) -> None:
    assert wrong(observed(cluster(1, remote=(kubeconfig(2, server=same),))), "remote-secrets") == []


def test_a_ca_that_the_stack_file_gives_is_not_held_against_the_clusters_own() -> None:
    given = declared(apiServer={"url": server(2), "caCertificate": {"env": "CA"}})
    facts = observed(cluster(1, remote=(kubeconfig(2, authority=("proxy",)),)), mesh=given)
    assert wrong(facts, "remote-secrets") == []


def test_a_cluster_that_is_not_linked_reads_nobody_and_a_key_left_there_is_named() -> None:
    facts = observed(mesh=declared(linked=False))
    assert wrong(facts, "remote-secrets") == [("SM623", "cluster1"), ("SM623", "cluster2")]
    facts = observed(cluster(1, remote=()), cluster(2, remote=()), mesh=declared(linked=False))
    assert states(facts, "remote-secrets") == {State.OK}


def test_a_cluster_that_istiod_has_from_another_secret_is_named() -> None:
    by_hand = istiod(1, remotes=(RemoteCluster("cluster2", "istio-system/by-hand", "synced"),))
    assert wrong(observed(cluster(1, istiods=(by_hand,))), "remote-secrets") == [("SM623", "cluster1")]


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (kubeconfig(2, expires=NOW - timedelta(seconds=1)), "SM627"),
        (kubeconfig(2, expires=NOW + timedelta(days=6)), "SM629"),
        (kubeconfig(2, token="another"), "SM628"),  # noqa: S106 - no token
    ],
)
def test_a_token_that_is_not_good_there_any_more_is_named(held: RemoteKubeconfig, code: str) -> None:
    assert wrong(observed(cluster(1, remote=(held,))), "remote-tokens") == [(code, PAIR)]


def test_a_token_with_an_end_that_the_peer_keeps_no_list_of_is_not_called_good() -> None:
    held = kubeconfig(2, token="bound", expires=NOW + timedelta(days=90))  # noqa: S106 - no token
    first = said(observed(cluster(1, remote=(held,))), "remote-tokens")[0]
    assert (first.where, first.state) == (PAIR, State.SKIPPED)


def test_without_the_right_to_see_the_peers_tokens_nothing_is_called_good() -> None:
    facts = observed(cluster(2, readers=Unknown("forbidden")))
    first = said(facts, "remote-tokens")[0]
    assert (first.where, first.state, first.message) == (PAIR, State.SKIPPED, "forbidden")


def test_a_wrong_secret_is_the_cause_of_what_istiod_does_not_read() -> None:
    facts = observed(cluster(1, remote=(), istiods=(istiod(1, remotes=istiod(1).remotes[:1]),)))
    results = {each.where: each for each in said(facts, "remote-sync")}
    assert results[PAIR].because is not None
    assert results[PAIR].message.startswith(
        "follows from SM621 at cluster1: istiod pod istiod-1 does not list cluster2"
    )


def test_a_dead_api_server_is_the_cause_of_what_others_do_not_read_of_it() -> None:
    dead = replace(cluster(2), kubernetes=Unknown("refused"), istiods=Unknown("refused"), remote=Unknown("refused"))
    facts = observed(cluster(1, istiods=(istiod(1, status="timeout"),)), dead)
    results = said(facts, "api-servers", *ALL)
    assert [each.cause.code for each in results if each.cause] == ["SM611"]
    assert [each.where for each in results if each.state is State.SKIPPED and not each.because] == []


@pytest.mark.parametrize("status", ["timeout", "syncing", "closed"])
def test_an_istiod_that_has_not_read_a_cluster_says_how_far_it_is(status: str) -> None:
    lagging = istiod(1, status=status, metrics={"remote_cluster_sync_timeouts_total": 2.0})
    facts = observed(cluster(1, istiods=(lagging,)))
    assert wrong(facts, "remote-sync") == [("SM618", PAIR)]
    message = said(facts, "remote-sync")[0].message
    assert f"lists cluster2 as {status}, and gave up waiting 2 times" in message
    assert f"the way from the pods of istio-system in cluster1 to {server(2)}" in message


def test_an_istiod_that_does_not_list_a_cluster_of_a_good_secret_has_not_taken_it() -> None:
    stuck = istiod(1, remotes=istiod(1).remotes[:1])
    facts = observed(cluster(1, istiods=(stuck,)))
    assert wrong(facts, "remote-sync") == [("SM610", PAIR)]
    message = "istiod pod istiod-1 does not list cluster2; the Secret istio-system/istio-remote-clusters names it"
    assert said(facts, "remote-sync")[0].message == message
    unread = observed(cluster(1, istiods=(stuck,), remote=Unknown("forbidden")))
    assert said(unread, "remote-sync")[0].message.endswith("names it was not seen")


def test_one_istiod_that_lacks_what_another_has_is_named_by_its_pod() -> None:
    new = istiod(1, "istiod-new", status="timeout", started=NOW)
    facts = observed(cluster(1, istiods=(istiod(1), new)))
    assert wrong(facts, "remote-sync") == [("SM619", PAIR)]
    message = said(facts, "remote-sync")[0].message
    assert message.startswith("istiod pod istiod-new lists cluster2 as timeout; istiod-1 has it synced")


def test_an_istiod_that_says_nothing_is_not_called_synced() -> None:
    mute = istiod(1, "istiod-mute", remotes=(), reason="connection refused")
    results = said(observed(cluster(1, istiods=(istiod(1), mute))), "remote-sync")
    assert [each.state for each in results if each.cluster == "cluster1"] == [State.SKIPPED, State.OK]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.29.9", []),
        ("1.30.0", [("SM617", "cluster1")]),
        ("1.30.3", [("SM617", "cluster1")]),
        ("1.30.4", []),
        ("1.32-dev", []),
        ("latest", []),
    ],
)
def test_versions_that_lose_endpoints_in_a_rotation_are_named(version: str, expected: list[Any]) -> None:
    assert wrong(observed(cluster(1, istiods=(istiod(1, version=version),))), "rotation-safe") == expected
