"""What becomes of mirrored objects when their file is renamed, narrowed or removed, and of those of others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored, annotated, destination_rule, virtual_service

pytestmark = pytest.mark.lab
ENTRY: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "lifecycle", "namespace": NAMESPACE},
    "spec": {
        "hosts": ["lifecycle.example.com"],
        "location": "MESH_EXTERNAL",
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
        "resolution": "NONE",
    },
}
OTHERS = {**ENTRY, "metadata": {"name": "of-others", "namespace": NAMESPACE}}


@pytest.fixture(scope="module")
def beside_others(mirrored: Mirrored) -> Iterator[Mirrored]:
    """The mesh with an object of its own in both clusters, and one that somebody made by hand in cluster1."""
    kubectl = mirrored.kubectl("cluster1")
    kubectl.apply(OTHERS)
    mirrored.declare({"first.yaml": [ENTRY]})
    mirrored.stack.up()
    yield mirrored
    kubectl("-n", NAMESPACE, "delete", "serviceentry", "of-others")


def metadata(mirrored: Mirrored, cluster: str, name: str = "lifecycle") -> dict[str, Any]:
    found = mirrored.kubectl(cluster)("-n", NAMESPACE, "get", "serviceentry", name, "-o", "json")
    return dict(json.loads(found)["metadata"])


def test_applied_objects_say_where_they_come_from(beside_others: Mirrored) -> None:
    for cluster in ("cluster1", "cluster2"):
        labels = metadata(beside_others, cluster)["labels"]
        assert labels["spanmesh.io/stack"] == "test"
        assert labels["spanmesh.io/file"] == "policies.first.yaml"
        assert len(labels["spanmesh.io/spec-hash"]) == 16


def test_what_is_no_longer_declared_goes_and_what_others_made_stays(beside_others: Mirrored) -> None:
    uids = {cluster: metadata(beside_others, cluster)["uid"] for cluster in ("cluster1", "cluster2")}
    others = metadata(beside_others, "cluster1", "of-others")
    beside_others.declare({"second.yaml": [annotated(ENTRY, clusters="cluster2")]})
    beside_others.stack.up()
    assert not beside_others.holds("cluster1", "serviceentry", "lifecycle")
    moved = metadata(beside_others, "cluster2")
    assert moved["uid"] == uids["cluster2"]
    assert moved["labels"]["spanmesh.io/file"] == "policies.second.yaml"
    beside_others.declare()
    beside_others.stack.up()
    assert not beside_others.holds("cluster2", "serviceentry", "lifecycle")
    assert metadata(beside_others, "cluster1", "of-others")["resourceVersion"] == others["resourceVersion"]


def test_an_object_of_somebody_else_is_reported_and_left_alone(beside_others: Mirrored) -> None:
    before = metadata(beside_others, "cluster1", "of-others")
    beside_others.declare({"first.yaml": [ENTRY, OTHERS]})
    refused = beside_others.attempt()
    assert refused.returncode != 0
    assert "SM502 ServiceEntry sample/of-others in cluster1" in refused.stdout
    assert "kubectl" in refused.stdout
    assert metadata(beside_others, "cluster1", "of-others") == before
    assert not beside_others.holds("cluster2", "serviceentry", "of-others")
    assert not beside_others.holds("cluster2", "serviceentry", "lifecycle")


def test_a_route_waits_for_the_rules_of_its_host_in_every_cluster(beside_others: Mirrored) -> None:
    beside_others.declare({"first.yaml": [virtual_service({"v1": 50, "v2": 50}), destination_rule()]})
    beside_others.stack.up()
    exported = json.loads(beside_others.stack.attempt("stack", "export").stdout)
    resources = {resource["urn"]: resource for resource in exported["deployment"]["resources"]}
    routes = [urn for urn in resources if ":VirtualService::" in urn]
    rules = {urn for urn in resources if ":DestinationRule::" in urn}
    assert (len(routes), len(rules)) == (2, 2)
    for route in routes:
        assert rules <= set(resources[route]["dependencies"])
