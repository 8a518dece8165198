"""A mesh whose root is provided, while not every cluster has its certificate yet."""

from typing import Any

import pytest

from components import Mesh, MeshArgs
from components.providers import cluster_provider
from tests.authority import root
from tests.unit.components.recording import Recorder, record
from topology import load_mesh
from topology.certificates import describe
from topology.given_trust import GivenIntermediate, GivenRoot, GivenTrust

ACME = root()
CLUSTERS = ("cluster1", "cluster2", "cluster3")
DECLARED: dict[str, Any] = {
    "trust": {"root": "provided", "rootCertificate": {"path": "root.pem"}},
    "clusters": [
        {
            "name": name,
            "network": f"net-{name}",
            "apiServer": f"https://{name}.example.com",
            "trust": {"request": True}
            if name == "cluster3"
            else {"certificate": {"path": f"{name}.pem"}, "key": {"path": f"{name}.key"}},
        }
        for name in CLUSTERS
    ],
}


@pytest.fixture(scope="module")
def recorded() -> tuple[Recorder, Any]:
    given = {
        name: GivenIntermediate(name, "key", made.pem, made.key_pem)
        for name in CLUSTERS[:2]
        for made in [ACME.issue(f"Intermediate CA {name}")]
    }

    def program() -> Any:
        declared = load_mesh(DECLARED)
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in CLUSTERS}
        mesh = Mesh("mesh", MeshArgs(declared, providers, given=GivenTrust(GivenRoot(ACME.pem, given))))
        return mesh.summary(declared)

    return record(program)


def test_a_cluster_that_waits_for_its_certificate_gets_its_namespace_and_no_istio(
    recorded: tuple[Recorder, Any],
) -> None:
    in_waiting = [
        r.type.split(":")[-1]
        for r in recorded[0].resources
        if r.type.startswith("kubernetes:") and r.provider.rsplit("::", 2)[-2] == "cluster3"
    ]
    assert in_waiting == ["Namespace"]
    releases = [r.name for r in recorded[0].of("Release")]
    assert [name for name in releases if "cluster3" in name] == []
    assert [name for name in releases if "cluster1" in name]


def test_nobody_reads_a_cluster_that_waits(recorded: tuple[Recorder, Any]) -> None:
    remote = [r for r in recorded[0].of("Secret") if "istio/multiCluster" in r.inputs["metadata"].get("labels", {})]
    assert remote
    assert [r.name for r in remote if "cluster3" in r.name] == []


def test_outputs_carry_fingerprints_ends_and_the_request_that_waits(recorded: tuple[Recorder, Any]) -> None:
    outputs = recorded[1]
    facts = describe(ACME.pem)
    assert outputs["root"] == {"sha256": facts.sha256, "trusted": [facts.sha256], "expires": facts.expires}
    assert outputs["clusters"]["cluster3"]["intermediate"] is None
    assert outputs["clusters"]["cluster3"]["certificateRequest"].startswith("REQUEST ")
    one, two = (outputs["clusters"][name] for name in CLUSTERS[:2])
    assert len(one["intermediate"]["sha256"]) == 64
    assert one["intermediate"]["sha256"] != two["intermediate"]["sha256"]
    assert "certificateRequest" not in one
