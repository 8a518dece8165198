"""What the traffic matrix of the probe means, cell by cell."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from health.check import Result, State
from health.checks import TRAFFIC
from health.examination import examine
from health.matrix import Cell, PlainText, Row, needed
from health.observed import Observed
from tests.unit.health.facts import NAMES, NOW, declared

IDENTITY = "spiffe://cluster.local/ns/spanmesh-probe/sa/probe"
GATEWAYS = {"cluster1": "198.51.100.64:15443", "cluster2": "198.51.100.80:15443"}
POD = "10.244.0.7:8080"


def cell(client: str, server: str, /, **given: Any) -> Cell:
    """Fifty answers, over the right way, of peers that proved who they are."""
    hop = POD if client == server else GATEWAYS[server]
    gateways = frozenset() if client == server else frozenset({hop})
    made = Cell((2.0,) * 50, {hop: 50}, gateways, IDENTITY, IDENTITY, {"probe": 50}, priority=0, connections=8)
    return replace(made, **given)


def row(client: str, **given: Any) -> Row:
    """A hundred requests, shared by both clusters."""
    cells = {server: cell(client, server) for server in NAMES}
    return replace(Row(client, 100, cells, plain_text=PlainText("STRICT", answered=False, said="503")), **given)


def said(*rows: Row, mesh: Any = None) -> dict[tuple[str, str], Result]:
    """By check and place, what the checks of traffic say where it is not ok."""
    matrix = {name: row(name) for name in NAMES} | {each.client: each for each in rows}
    observed = Observed(mesh or declared(), NOW, {}, matrix)
    return {(r.check.name, r.where): r for r in examine(observed, TRAFFIC) if r.state is not State.OK}


def codes(results: dict[tuple[str, str], Result]) -> dict[tuple[str, str], str]:
    """The same, by code; empty where skipped."""
    return {where: result.cause.code if result.cause else "" for where, result in results.items()}


def broken(**given: Any) -> Row:
    """cluster1 got no answer of cluster2."""
    lost = cell("cluster1", "cluster2", milliseconds=(), pods={}, client="", server="", **given)
    return row("cluster1", cells={"cluster1": cell("cluster1", "cluster1"), "cluster2": lost})


def test_a_mesh_whose_clusters_all_answer_is_ok() -> None:
    assert said() == {}


def test_a_cluster_that_answers_nothing_is_named_with_what_the_proxy_tried() -> None:
    found = said(broken(refused=8))

    assert codes(found) == {("traffic", "cluster1 -> cluster2"): "SM692"}
    message = found["traffic", "cluster1 -> cluster2"].message
    assert "gateway 198.51.100.80:15443" in message
    assert "8 of 8 connections did not come about" in message


def test_a_cluster_that_the_proxy_knows_no_endpoint_of_is_told_apart() -> None:
    found = said(row("cluster1", cells={"cluster1": cell("cluster1", "cluster1")}))

    assert codes(found) == {("traffic", "cluster1 -> cluster2"): "SM691"}


def test_only_local_answers_are_right_while_locality_holds_the_others_in_reserve() -> None:
    assert said(broken(priority=1, hops={}, connections=0)) == {}


def test_a_reserve_that_nobody_stands_before_is_a_failure() -> None:
    silent = broken(priority=1, hops={}, connections=0)
    silent = replace(silent, cells={"cluster2": silent.cells["cluster2"]})

    assert codes(said(silent))["traffic", "cluster1 -> cluster2"] == "SM692"


def test_too_few_requests_prove_nothing_either_way() -> None:
    few = replace(broken(hops={}, connections=0), sent=3)

    found = said(few)

    assert found["traffic", "cluster1 -> cluster2"].state is State.SKIPPED
    assert "too few" in found["traffic", "cluster1 -> cluster2"].message


def test_a_refusal_by_policy_is_said_to_be_one() -> None:
    denied = replace(broken(), failures=Counter({"403 RBAC: access denied": 50}))

    assert codes(said(denied)) == {("traffic", "cluster1 -> cluster2"): "SM694"}


def test_failures_beside_answers_are_counted_once() -> None:
    found = said(row("cluster1", failures=Counter({"503 upstream reset": 2})))

    assert codes(found) == {("traffic", "cluster1"): "SM693"}
    assert "2 of 100 requests failed: 2 x 503 upstream reset" in found["traffic", "cluster1"].message


def test_connections_that_retries_hide_are_a_warning() -> None:
    cells = {"cluster1": cell("cluster1", "cluster1"), "cluster2": cell("cluster1", "cluster2", refused=3)}

    found = said(row("cluster1", cells=cells))

    assert found["traffic", "cluster1 -> cluster2"].state is State.WARNING
    assert codes(found) == {("traffic", "cluster1 -> cluster2"): "SM697"}


def test_clusters_that_are_not_linked_need_not_answer_and_should_not() -> None:
    mesh = declared(linked=False)
    alone = [row(name, cells={name: cell(name, name)}) for name in NAMES]

    assert said(*alone, mesh=mesh) == {}
    assert codes(said(alone[1], mesh=mesh)) == {("traffic", "cluster1 -> cluster2"): "SM695"}


def test_a_raw_pod_address_across_networks_is_the_wrong_way() -> None:
    cells = {"cluster1": cell("cluster1", "cluster1"), "cluster2": cell("cluster1", "cluster2", gateways=frozenset())}

    found = said(row("cluster1", cells=cells))

    assert codes(found) == {("traffic-way", "cluster1 -> cluster2"): "SM696"}


def test_a_gateway_within_one_network_is_the_wrong_way() -> None:
    flat = declared(network="network1")

    found = codes(said(mesh=flat))

    assert found == {
        ("traffic-way", "cluster1 -> cluster2"): "SM696",
        ("traffic-way", "cluster2 -> cluster1"): "SM696",
    }


@pytest.mark.parametrize(
    ("client", "server"), [("", IDENTITY), (IDENTITY, ""), (IDENTITY.replace("cluster.local", "other"), IDENTITY)]
)
def test_a_peer_that_proves_nothing_or_another_trust_domain_fails(client: str, server: str) -> None:
    unproven = cell("cluster1", "cluster2", client=client, server=server)
    cells = {"cluster1": cell("cluster1", "cluster1"), "cluster2": unproven}

    assert codes(said(row("cluster1", cells=cells))) == {("peer-identities", "cluster1 -> cluster2"): "SM698"}


def test_plain_text_under_strict_is_a_failure_and_under_permissive_nothing_to_say() -> None:
    let_in = row("cluster1", plain_text=PlainText("STRICT", answered=True, said="200"))
    permissive = row("cluster2", plain_text=PlainText("PERMISSIVE", answered=True, said="200"))

    found = said(let_in, permissive)

    assert codes(found) == {("plain-text", "cluster1"): "SM699", ("plain-text", "cluster2"): ""}
    assert found["plain-text", "cluster2"].state is State.SKIPPED


def test_where_the_probe_does_not_run_everything_else_follows_from_that() -> None:
    absent = Row("cluster2", reason="cluster cluster2: the probe does not start within 60 s: ImagePullBackOff")
    cells = {"cluster1": cell("cluster1", "cluster1")}

    found = said(row("cluster1", cells=cells), absent)

    assert found["probe", "cluster2"].state is State.FAILED
    others = [result for where, result in found.items() if where != ("probe", "cluster2")]
    assert {result.state for result in others} == {State.SKIPPED}
    assert found["traffic", "cluster1 -> cluster2"].because == found["probe", "cluster2"]


@pytest.mark.parametrize("clusters", [2, 3, 10, 50])
def test_enough_requests_miss_a_cluster_once_in_a_million(clusters: int) -> None:
    missed = clusters * (1 - 1 / (2 * clusters)) ** needed(clusters)

    assert missed <= 1e-6
    assert clusters * (1 - 1 / (2 * clusters)) ** (needed(clusters) - 1) > 1e-6
