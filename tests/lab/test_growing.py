"""A running mesh grows by a cluster, goes on without it for a while, and shrinks again: the others notice nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml
from kubernetes import client

from cli.demo import silent_cells
from cli.project import ROOT
from lab import Lab
from live.client import api_client
from live.load.constant import LoadResult, constant_requests
from live.load.traffic import Row, traffic_matrix
from live.load.watched import watched_requests
from tests.lab.istioctl import Istioctl
from tests.lab.kubectl import eventually
from tests.lab.left_overs import left_in
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
PAIR = ("cluster1", "cluster2")
ALL = (*PAIR, "cluster3")
THIRD_KUBECONFIG = "SPANMESH_TEST_KUBECONFIG"


@pytest.fixture(scope="module")
def growing(
    three_regions: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabStack]:
    """The first two clusters of the stack `lab-three`, up: they are on different networks."""
    stack = LabStack.make(tmp_path_factory.mktemp("growing"), environment, like="lab-three")
    third = stack.mesh["clusters"].pop()
    stack.write()
    with nothing_left(stack):
        stack.up()
        stack.mesh["clusters"].append(third)
        yield stack


def pods(stack: LabStack, cluster: str) -> dict[str, int]:
    """uid of every pod of the mesh in a cluster, and how often its containers were restarted."""
    found: dict[str, int] = {}
    with api_client(stack.accesses[cluster]) as api:
        for namespace in ("istio-system", "sample"):
            for pod in client.CoreV1Api(api).list_namespaced_pod(namespace).items:
                found[pod.metadata.uid] = sum(s.restart_count for s in pod.status.container_statuses or ())
    return found


def up_under_load(stack: LabStack) -> dict[str, LoadResult]:
    """`pulumi up` while the clients of the first two clusters send requests without a pause."""
    with ExitStack() as running:
        loads = {name: running.enter_context(constant_requests(stack.accesses[name], "sample", 600)) for name in PAIR}
        stack.up()
    return {name: load.result() for name, load in loads.items()}


def gateways(stack: LabStack) -> dict[str, list[str]]:
    return {name: c["eastWest"]["addresses"] for name, c in stack.pulumi.outputs()["clusters"].items()}


def matrix(stack: LabStack, requests: int = 40) -> dict[str, Row]:
    return traffic_matrix(stack.accesses, "sample", gateways(stack), requests)


def steps(stack: LabStack) -> dict[str, str]:
    """Resource name to what a preview would do to it, where that is something."""
    ended = stack.pulumi.read("preview", "--json")
    planned = {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in ended["steps"] if step["op"] != "same"}
    return {name: op for name, op in planned.items() if op != "read"}


@pytest.fixture(scope="module")
def grown(growing: LabStack) -> dict[str, Any]:
    """cluster3 is added under load: the requests, and the pods before and after."""
    growing.write()
    before = {name: pods(growing, name) for name in PAIR}
    loads = up_under_load(growing)
    return {"loads": loads, "before": before, "after": {name: pods(growing, name) for name in PAIR}}


def test_a_cluster_is_added_without_a_failed_request(grown: dict[str, Any]) -> None:
    for name, load in grown["loads"].items():
        assert load.failures == [], name
        assert load.sent > 20
        assert {*PAIR} <= set(load.answers)


def test_nothing_is_restarted_where_a_cluster_is_not_added(grown: dict[str, Any]) -> None:
    assert grown["before"] == grown["after"]


def test_a_flat_pair_uses_pod_addresses_and_the_others_gateways(growing: LabStack, grown: dict[str, Any]) -> None:
    rows = matrix(growing)
    assert silent_cells(growing.load().mesh, rows) == []
    direct = {
        (a, b) for a, row in rows.items() for b, cell in row.cells.items() if not any(h.gateway for h in cell.hops)
    }
    crossing = {(a, b) for a, row in rows.items() for b, cell in row.cells.items() if all(h.gateway for h in cell.hops)}
    flat = {(a, b) for a in ("cluster2", "cluster3") for b in ("cluster2", "cluster3")}
    assert direct == flat | {("cluster1", "cluster1")}
    assert crossing == {(a, b) for a in ALL for b in ALL} - direct


def test_spokes_do_not_see_each_other(growing: LabStack, grown: dict[str, Any], istioctl: Istioctl) -> None:
    growing.mesh["links"] = {"hubs": ["cluster1"]}
    growing.write()
    growing.up()
    assert set(istioctl.remote_clusters("cluster1")) == set(ALL)
    assert set(istioctl.remote_clusters("cluster3")) == {"cluster1", "cluster3"}
    rows = matrix(growing)
    assert silent_cells(growing.load().mesh, rows) == []
    assert {name: set(row.cells) for name, row in rows.items()} == {
        "cluster1": set(ALL),
        "cluster2": {"cluster1", "cluster2"},
        "cluster3": {"cluster1", "cluster3"},
    }
    growing.mesh["links"] = "full"
    growing.write()
    growing.up()


def test_the_root_of_three_clusters_is_replaced_without_a_failed_request_or_handshake(
    growing: LabStack, grown: dict[str, Any]
) -> None:
    """With a few requests; `python -m bench.upkeep --part root-3` does it with 20,000 of every cluster."""
    before = growing.pulumi.outputs()["root"]["sha256"]
    which = ["--stack", growing.name, "--cwd", str(growing.project)]
    with watched_requests(growing.accesses, "sample", 1800, per_second=20) as load:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "cli", "rotate", "root", "--yes", *which],
            cwd=ROOT,
            env={**os.environ, **growing.environment},
            capture_output=True,
            text=True,
            check=False,
        )
    growing.read()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = load.result()
    assert result.failures == []
    assert result.hidden == {}
    assert result.ended == []
    for name, client_saw in result.clients.items():
        assert client_saw.sent > 100, name
        assert set(client_saw.answers) == {*ALL}, name
    assert result.verified > 0
    outputs = growing.pulumi.outputs()
    assert outputs["root"]["sha256"] != before
    assert outputs.get("rotation") is None
    assert growing.mesh["trust"]["generation"] == 2


def test_a_preview_says_what_a_change_of_a_cluster_costs(growing: LabStack, grown: dict[str, Any]) -> None:
    third = growing.mesh["clusters"][2]
    kept = dict(third)
    try:
        third["network"] = "network3"
        growing.write()
        moved = steps(growing)
        assert moved
        assert set(moved.values()) == {"update"}
        assert all("cluster3" in name for name in moved)
        third.update(kept, name="cluster9")
        growing.write()
        renamed = steps(growing)
        assert {name: op for name, op in renamed.items() if "cluster3" not in name and "cluster9" not in name} == {
            f"mesh-links-{name}-{what}": "update"
            for name in PAIR
            for what in ("remote-secret", "readers-role-binding", "readers-mesh-role-binding")
        }
        assert {op for name, op in renamed.items() if "cluster3" in name} == {"delete"}
    finally:
        third.update(kept)
        growing.write()


def test_another_kubeconfig_of_the_same_cluster_changes_nothing(
    growing: LabStack, grown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = growing.accesses["cluster3"].document
    renamed = yaml.safe_dump(document).replace(document["contexts"][0]["name"], "other")
    monkeypatch.setenv(THIRD_KUBECONFIG, renamed)
    third = growing.mesh["clusters"][2]
    before = third["kubeconfig"]
    third["kubeconfig"] = {"env": THIRD_KUBECONFIG}
    growing.write()
    try:
        planned = steps(growing)
        assert {name: op for name, op in planned.items() if name != "cluster3"} == {}
        assert planned.get("cluster3", "update") == "update"
    finally:
        third["kubeconfig"] = before
        growing.write()


def test_an_unreachable_cluster_is_named_left_alone_and_no_hindrance_to_the_others(
    growing: LabStack, grown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(json.dumps(growing.accesses["cluster3"].document))
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    monkeypatch.setenv(THIRD_KUBECONFIG, yaml.safe_dump(document))
    third, second = growing.mesh["clusters"][2], growing.mesh["clusters"][1]
    before = third["kubeconfig"]
    third["kubeconfig"] = {"env": THIRD_KUBECONFIG}
    second["istio"] = {"env": {"SPANMESH_TEST": "1"}}
    growing.write()
    there = resources(growing, "cluster3")
    try:
        refused = growing.attempt("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert "cluster cluster3" in refused.stdout
        assert "skipUpdateUnreachable: true" in refused.stdout
        assert resources(growing, "cluster3") == there
        third["skipUpdateUnreachable"] = True
        third["eastWest"] = {"annotations": {"example.com/changed": "meanwhile"}}
        growing.write()
        went_on = growing.up()
        assert "cluster cluster3" in went_on
        assert "left as it is" in went_on
        assert resources(growing, "cluster3") == there
        values = release_values(growing, "mesh-cluster2-control-plane-istiod")
        assert values["pilot"]["env"]["SPANMESH_TEST"] == "1"
    finally:
        third.pop("skipUpdateUnreachable", None)
        third["kubeconfig"] = before
        growing.write()
    growing.up()
    with api_client(growing.accesses["cluster3"]) as api:
        service = client.CoreV1Api(api).read_namespaced_service("istio-eastwestgateway", "istio-system")
    assert service.metadata.annotations["example.com/changed"] == "meanwhile"
    assert silent_cells(growing.load().mesh, matrix(growing)) == []


def resources(stack: LabStack, cluster: str) -> set[str]:
    """URNs of a cluster's resources in the state."""
    exported = stack.pulumi.read("stack", "export")["deployment"]["resources"]
    return {r["urn"] for r in exported if f"::{cluster}::" in r.get("provider", "") and not r.get("delete")}


def release_values(stack: LabStack, name: str) -> dict[str, Any]:
    exported = stack.pulumi.read("stack", "export")["deployment"]["resources"]
    (release,) = [r for r in exported if r["urn"].endswith(f"::{name}")]
    return dict(release["inputs"]["values"])


def test_a_cluster_is_removed_without_a_failed_request_and_leaves_no_trace(
    growing: LabStack, grown: dict[str, Any], istioctl: Istioctl
) -> None:
    addresses = gateways(growing)["cluster3"]
    third = growing.accesses["cluster3"]
    growing.mesh["clusters"].pop()
    growing.write()
    before = {name: pods(growing, name) for name in PAIR}
    loads = up_under_load(growing)
    for name, load in loads.items():
        assert load.failures == [], name
        assert load.sent > 20
    assert {name: pods(growing, name) for name in PAIR} == before
    for name in PAIR:
        with api_client(growing.accesses[name]) as api:
            secret = client.CoreV1Api(api).read_namespaced_secret("istio-remote-clusters", "istio-system")
        assert set(secret.data) == {*PAIR} - {name}
        assert set(istioctl.remote_clusters(name)) == {*PAIR}
        endpoints = istioctl.run(name, "proxy-config", "endpoints", "deploy/sleep", "-n", "sample")
        assert "helloworld.sample.svc" in endpoints
        assert not any(address in endpoints for address in addresses)
    assert eventually(lambda: not any(left_in(third).values()))
