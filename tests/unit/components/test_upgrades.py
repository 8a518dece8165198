"""Clusters whose Istio changes: one after the other, and gateways only once no old istiod injects."""

from collections.abc import Mapping
from typing import Any

import pytest

from components import Mesh, MeshArgs, Upgrades
from components import root_ca as root_ca_module
from components.providers import cluster_provider
from tests.unit.components.recording import Recorder, record
from topology import load_mesh

NAMES = ("cluster1", "cluster2")
DECLARED: dict[str, Any] = {
    "istio": {"version": "1.30.5"},
    "clusters": [
        {
            "name": name,
            "network": f"network{n}",
            "apiServer": f"https://203.0.113.1{n}:6443",
            "eastWest": {"minReadySeconds": 7},
        }
        for n, name in enumerate(NAMES, start=1)
    ],
}


@pytest.fixture(autouse=True)
def no_real_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_ca_module, "sha256_fingerprint", lambda pem: f"sha256 of {pem}")


def recorded(upgrades: Upgrades) -> Recorder:
    def program() -> Any:
        providers = {name: cluster_provider(name, f"kubeconfig of {name}", False) for name in NAMES}
        declared = load_mesh(DECLARED)
        return Mesh("mesh", MeshArgs(declared, providers, upgrades=upgrades)).summary(declared)

    return record(program)[0]


def places(recorder: Recorder, parts: Mapping[str, str]) -> list[int]:
    names = [resource.name for resource in recorder.resources]
    return [names.index(f"mesh-{cluster}-{part}") for cluster, part in parts.items()]


def test_a_cluster_that_waits_is_not_touched_before_the_other_ones_gateways_are_through() -> None:
    parts = {"cluster1": "east-west-gateway-deployment", "cluster2": "control-plane-base"}
    gateway, base = places(recorded(Upgrades({"cluster2": "cluster1"})), parts)
    assert gateway < base
    gateway, base = places(recorded(Upgrades()), parts)
    assert base < gateway


def test_gateways_are_made_for_the_version_once_no_other_istiod_injects() -> None:
    waited: list[str] = []

    async def wait() -> None:
        waited.append("cluster1")

    recorder = recorded(Upgrades({}, {"cluster1": wait}))
    assert waited == ["cluster1"]
    for name in NAMES:
        spec = recorder.named(f"mesh-{name}-east-west-gateway-deployment").inputs["spec"]
        assert spec["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "1.30.5"
        assert "app.kubernetes.io/version" not in spec["selector"]["matchLabels"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}
        assert spec["minReadySeconds"] == 7


def test_what_is_waited_for_in_vain_stops_the_update_before_the_gateways() -> None:
    async def never() -> None:
        raise RuntimeError("the rollout of istiod did not end")

    with pytest.raises(Exception, match="did not end"):
        recorded(Upgrades({}, {"cluster1": never}))
