"""A mesh divided into stacks: what each stack holds, so that a change costs its group only."""

from typing import Any

import pytest

from components import Group, GroupArgs, Mesh, MeshArgs, TrustAndLinks, TrustAndLinksArgs
from components import root_ca as root_ca_module
from components.providers import cluster_provider
from tests.unit.components.recording import Recorder, record
from topology import load_mesh

GROUPS = {"cluster1": "cn", "cluster2": "cn", "cluster3": "eu"}
DECLARED: dict[str, Any] = {
    "groups": {"cn": {"stack": "acme-cn"}, "eu": {"stack": "acme-eu"}},
    "clusters": [
        {"name": name, "group": group, "network": f"net-{name}", "apiServer": f"https://{name}.example.com"}
        for name, group in GROUPS.items()
    ],
}


@pytest.fixture(autouse=True)
def _made_up_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_ca_module, "sha256_fingerprint", lambda pem: f"sha256 of {pem}")


def trust_and_links(up: set[str]) -> tuple[Recorder, Any]:
    declared = load_mesh(DECLARED)

    def program() -> Any:
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in GROUPS}
        mesh = TrustAndLinks("mesh", TrustAndLinksArgs(declared, providers, up))
        return mesh.summary(declared)

    return record(program)


def group(name: str) -> tuple[Recorder, Any]:
    declared = load_mesh(DECLARED)

    def program() -> Any:
        members = [cluster for cluster, of in GROUPS.items() if of == name]
        providers = {cluster: cluster_provider(cluster, "kubeconfig", False) for cluster in members}
        return Group("mesh", GroupArgs(declared, name, providers)).summary(declared)

    return record(program)


def remote_secrets(recorder: Recorder) -> list[str]:
    return [
        r.name
        for r in recorder.of("Secret")
        if r.inputs["metadata"].get("labels", {}).get("istio/multiCluster") == "true"
    ]


def test_a_group_has_istiod_and_gateways_of_its_own_clusters_and_no_trust() -> None:
    recorder, outputs = group("cn")
    assert sorted(outputs["clusters"]) == ["cluster1", "cluster2"]
    assert len(recorder.of("Release")) == 4
    assert {r.name for r in recorder.resources if r.type == "pulumi:providers:kubernetes"} == {"cluster1", "cluster2"}
    assert not any(r.type.startswith("tls:") for r in recorder.resources)
    assert recorder.of("Secret") == []


def test_trust_and_links_hold_cacerts_of_all_clusters_and_no_istiod() -> None:
    recorder, outputs = trust_and_links({"cluster1", "cluster2", "cluster3"})
    assert recorder.of("Release") == []
    assert len([r for r in recorder.of("Secret") if r.inputs["metadata"]["name"] == "cacerts"]) == 3
    assert len(remote_secrets(recorder)) == 3
    assert outputs["clusters"]["cluster1"]["reads"] == ["cluster2", "cluster3"]


def test_a_cluster_is_read_only_once_its_group_has_brought_it_up() -> None:
    recorder, outputs = trust_and_links({"cluster1", "cluster3"})
    assert len(remote_secrets(recorder)) == 2
    assert {name: c["reads"] for name, c in outputs["clusters"].items()} == {
        "cluster1": ["cluster3"],
        "cluster2": [],
        "cluster3": ["cluster1"],
    }
    recorder, _ = trust_and_links(set())
    assert remote_secrets(recorder) == []
    assert len([r for r in recorder.of("Secret") if r.inputs["metadata"]["name"] == "cacerts"]) == 3


def test_the_stacks_of_a_divided_mesh_hold_together_what_one_stack_holds() -> None:
    whole = {k: v for k, v in DECLARED.items() if k != "groups"}
    whole["clusters"] = [{k: v for k, v in c.items() if k != "group"} for c in DECLARED["clusters"]]

    def program() -> Any:
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in GROUPS}
        declared = load_mesh(whole)
        return Mesh("mesh", MeshArgs(declared, providers)).summary(declared)

    def objects(recorder: Recorder) -> list[tuple[str, str, str]]:
        return sorted(
            (r.provider.rsplit("::", 2)[-2], r.type, r.inputs.get("metadata", {}).get("name", r.name))
            for r in recorder.resources
            if r.type.startswith("kubernetes:")
        )

    parts = [trust_and_links(set(GROUPS))[0], group("cn")[0], group("eu")[0]]
    assert objects(record(program)[0]) == sorted(item for part in parts for item in objects(part))
