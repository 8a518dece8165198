"""The probe's objects: whose the namespace is, how its pods are injected and held down, what its Envoys are told."""

import json
import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from live.probe import bootstrap, objects
from live.probe.objects import Owner, injection, pods
from topology import load_mesh

MESH = load_mesh(
    {
        "istio": {
            "version": "1.30.5",
            "hub": "registry.example.com/istio",
            "values": {"global": {"variant": "distroless"}},
        },
        "clusters": [{"name": "cluster1", "network": "network1", "apiServer": "https://198.51.100.11:6443"}],
    }
)
NO_PROCESS = 4_194_305  # above the kernel's highest


def read(document: dict[str, Any]) -> Any:
    """A namespace as the API server gives it back."""
    metadata = document["metadata"]
    return SimpleNamespace(
        metadata=SimpleNamespace(labels=metadata.get("labels"), annotations=metadata.get("annotations"))
    )


def test_a_namespace_tells_who_made_it() -> None:
    owner = Owner.this(60)

    assert Owner.of(read(objects.namespace(owner, []))) == owner


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {"app.kubernetes.io/name": "spanmesh-probe"}},
        {"annotations": {objects.OWNER: Owner.this(60).text}},
        {"labels": objects.LABELS, "annotations": {objects.OWNER: "not JSON"}},
    ],
)
def test_a_namespace_without_label_and_annotation_is_anothers(metadata: dict[str, Any]) -> None:
    assert Owner.of(read({"metadata": metadata})) is None


def test_a_run_is_gone_when_its_process_is_or_its_time_is_over() -> None:
    soon, past = datetime.now(UTC) + timedelta(minutes=1), datetime.now(UTC) - timedelta(minutes=1)
    here = Owner.this(60).host

    assert Owner(here, NO_PROCESS, soon).gone
    assert not Owner(here, os.getppid(), soon).gone
    assert not Owner("another-machine", NO_PROCESS, soon).gone
    assert Owner("another-machine", NO_PROCESS, past).gone


def injector(revision: str, selector: dict[str, Any]) -> dict[str, Any]:
    """A webhook configuration of Istio's."""
    labels = {"app": "sidecar-injector", "istio.io/rev": revision}
    return {"metadata": {"labels": labels}, "webhooks": [{"namespaceSelector": selector}]}


def test_the_namespace_gets_the_label_that_some_istiod_injects_by() -> None:
    default = injector("default", {"matchLabels": {"istio-injection": "enabled"}})
    canary = injector("1-30", {"matchExpressions": [{"key": "istio.io/rev", "operator": "In", "values": ["1-30"]}]})

    assert injection([canary, default]) == {"istio-injection": "enabled"}
    assert injection([canary]) == {"istio.io/rev": "1-30"}
    assert injection([]) == {"istio-injection": "enabled"}


def test_every_container_is_the_clusters_own_proxy_image_and_restricted() -> None:
    containers = [each for pod in pods(MESH, MESH.clusters[0]) for each in pod["spec"]["containers"]]

    assert {each["image"] for each in containers} == {"registry.example.com/istio/proxyv2:1.30.5-distroless"}
    for each in containers:
        held = each["securityContext"]
        assert held["runAsNonRoot"] and held["readOnlyRootFilesystem"] and not held["allowPrivilegeEscalation"]
        assert held["capabilities"] == {"drop": ["ALL"]}
        # The sidecar's own user passes its capture.
        assert held["runAsUser"] not in (0, 1337)


def test_every_listener_of_a_client_is_reached_by_port_forward_only() -> None:
    outside, tunnels = bootstrap.outside("probe:8080", "10.96.0.9", {"cluster2": ["198.51.100.80", "lb.example.com"]})
    texts = [bootstrap.client("probe:8080", "10.96.0.9", (1, 30)), outside]

    for text in texts:
        document = json.loads(text)
        ends = [document["admin"]["address"], *(each["address"] for each in document["static_resources"]["listeners"])]
        assert {end["socket_address"]["address"] for end in ends} == {"127.0.0.1"}
    assert sorted(tunnels.values()) == [("cluster2", "198.51.100.80"), ("cluster2", "lb.example.com")]
    kinds = {c["name"]: c["type"] for c in json.loads(outside)["static_resources"]["clusters"]}
    assert [kinds[bootstrap.tunnel_name(port)] for port in sorted(tunnels)] == ["STATIC", "STRICT_DNS"]


def test_an_envoy_that_cannot_say_microseconds_is_not_asked_to() -> None:
    assert "COMMON_DURATION" in bootstrap.client("probe:8080", "10.96.0.9", (1, 23))
    assert "COMMON_DURATION" not in bootstrap.client("probe:8080", "10.96.0.9", (1, 22))
