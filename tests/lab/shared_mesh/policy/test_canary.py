"""A canary in one policy file: its weights, its header, and its promotion, as clients of both clusters meet them."""

from contextlib import ExitStack
from typing import Any

import pytest

from live.kubeconfig import ClusterAccess
from live.pods.exec import pod_exec
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import HOST, NAMESPACE, Mirrored, destination_rule, virtual_service
from tests.lab.shared_mesh.policy.binomial import bounds

pytestmark = pytest.mark.lab
REQUESTS = 2000
HEADER = "x-version"
FILE = "canary.yaml"


def canary(v1: int, v2: int) -> list[dict[str, Any]]:
    return [virtual_service({"v1": v1, "v2": v2}, HEADER), destination_rule()]


def obeyed(mirrored: Mirrored) -> bool:
    """Whether the proxies of both clients have the canary: each header's value leads to its version."""
    return all(
        result.versions == {version: 10}
        for version in ("v1", "v2")
        for result in mirrored.ask(10, {HEADER: version}).values()
    )


@pytest.fixture(scope="module")
def split(mirrored: Mirrored) -> Mirrored:
    """The mesh with 80 percent to v1 and 20 to v2."""
    mirrored.declare({FILE: canary(80, 20)})
    mirrored.stack.up()
    assert eventually(lambda: obeyed(mirrored))
    return mirrored


def connections(access: ClusterAccess, pod: str) -> int:
    """How many connections to helloworld a client's proxy has opened so far, over all endpoints."""
    listed = pod_exec(access, pod, NAMESPACE, "sleep", ["curl", "-s", "http://127.0.0.1:15000/clusters"], 10)
    return sum(int(line.rsplit("::", 1)[1]) for line in listed.splitlines() if HOST in line and "::cx_total::" in line)


def client_name(mirrored: Mirrored, cluster: str) -> str:
    found = mirrored.kubectl(cluster)("-n", NAMESPACE, "get", "pod", "-l", "app=sleep", "-o", "name")
    return found.strip().removeprefix("pod/")


def test_each_version_gets_its_share_of_new_connections_from_both_clusters(split: Mirrored) -> None:
    clients = {name: client_name(split, name) for name in split.accesses}
    before = {name: connections(access, clients[name]) for name, access in split.accesses.items()}
    results = split.ask(REQUESTS)
    after = {name: connections(access, clients[name]) for name, access in split.accesses.items()}
    fewest, most = bounds(REQUESTS, 0.2)
    for name, result in results.items():
        assert result.failures == []
        assert set(result.versions) == {"v1", "v2"}
        assert fewest <= result.versions["v2"] <= most, f"{name}: {result.versions}, bounds {fewest} to {most}"
        assert result.answers == {"cluster1": result.versions["v1"], "cluster2": result.versions["v2"]}
        assert after[name] - before[name] >= REQUESTS


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_header_chooses_the_version_whatever_the_weights_say(split: Mirrored, version: str) -> None:
    for name, result in split.ask(200, {HEADER: version}).items():
        assert result.failures == []
        assert result.versions == {version: 200}, name


def test_a_promotion_under_load_fails_no_request_in_any_cluster(split: Mirrored) -> None:
    with ExitStack() as running:
        loads = split.load(running)
        split.declare({FILE: canary(0, 100)})
        split.stack.up()
        weightless = eventually(lambda: all(set(r.versions) == {"v2"} for r in split.ask(200).values()))
    assert weightless
    for name, load in loads.items():
        result = load.result()
        assert result.failures == [], name
        assert set(result.versions) == {"v1", "v2"}
        assert result.each[-1].version == "v2"
    assert {name: dict(result.versions) for name, result in split.ask(500).items()} == {
        "cluster1": {"v2": 500},
        "cluster2": {"v2": 500},
    }
