"""What a preview without clusters puts in place of kubeconfigs, secrets, certificates and other stacks."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.stand_ins import group_state, unreachable_kubeconfig, with_stand_ins, without_secrets
from topology import load_mesh

FILE = Path("/tmp/kubeconfig")  # noqa: S108 - only named
PROVIDED: dict[str, Any] = {
    "istio": {"version": "1.30.5"},
    "trust": {"root": "provided", "rootCertificate": {"path": "pki/root.pem"}, "protect": False},
    "groups": {"a": {"stack": "acme-org/spanmesh/part-a"}},
    "clusters": [
        {
            "name": "cluster1",
            "network": "network1",
            "group": "a",
            "kubeconfig": {"secret": {"secure": "v1:abc"}},
            "apiServer": {"url": "https://203.0.113.1", "caCertificate": {"env": "CA"}, "tlsServerName": "k8s.example"},
            "istio": {"version": "1.29.1", "hub": "registry.example/istio"},
            "trust": {"certificate": {"env": "CERT"}, "key": {"stack": "acme-org/pki/prod", "output": "keys.one"}},
        }
    ],
}


@pytest.fixture
def replaced() -> dict[str, Any]:
    return with_stand_ins(without_secrets(PROVIDED), FILE, {})


def test_what_is_left_is_still_a_valid_mesh(replaced: dict[str, Any]) -> None:
    load_mesh(without_secrets(PROVIDED))
    mesh = load_mesh(replaced)
    (cluster,) = mesh.clusters
    assert cluster.api_server.tls_server_name == "k8s.example"
    assert mesh.trust.protect is False


def test_no_source_but_the_stand_in_kubeconfig_is_left(replaced: dict[str, Any]) -> None:
    mesh = load_mesh(replaced)
    (cluster,) = mesh.clusters
    assert (cluster.kubeconfig.path, cluster.kubeconfig.context) == (str(FILE), "cluster1")
    assert cluster.kubeconfig.given == ["path"]
    assert mesh.trust.root == "generated"
    assert mesh.trust.root_certificate is None
    assert cluster.trust.certificate is None
    assert cluster.trust.key is None
    assert cluster.api_server.ca_certificate is None


def test_the_stage_of_a_rotation_is_previewed_with_roots_that_pulumi_makes() -> None:
    rotation = {"stage": "new-signs", "to": "provided", "rootCertificate": {"path": "pki/root-2.pem"}}
    (cluster,) = PROVIDED["clusters"]
    following = {"next": {"certificate": {"env": "CERT_2"}, "key": {"env": "KEY_2"}}}
    declared = {
        **PROVIDED,
        "trust": {**PROVIDED["trust"], "rotation": rotation},
        "clusters": [{**cluster, "trust": {**cluster["trust"], **following}}],
    }
    load_mesh(without_secrets(declared))
    trust = load_mesh(with_stand_ins(without_secrets(declared), FILE, {})).trust
    assert trust.rotation is not None
    assert (trust.rotation.stage, trust.rotation.to) == ("new-signs", "generated")


def test_no_encrypted_text_is_left() -> None:
    assert without_secrets({"a": [{"secure": "v1:abc"}], "b": {"secure": "v1:abc", "other": 1}}) == {
        "a": ["stand-in"],
        "b": {"secure": "v1:abc", "other": 1},
    }


def test_another_istio_replaces_that_of_every_cluster(replaced: dict[str, Any]) -> None:
    assert replaced["clusters"][0]["istio"]["version"] == "1.29.1"
    other = with_stand_ins(without_secrets(PROVIDED), FILE, {"version": "1.32-dev", "charts": ".charts"})
    assert other["istio"] == {"version": "1.32-dev", "charts": ".charts"}
    assert other["clusters"][0]["istio"] == {"hub": "registry.example/istio"}


def test_the_declared_mesh_itself_is_not_changed(replaced: dict[str, Any]) -> None:
    assert PROVIDED["clusters"][0]["kubeconfig"] == {"secret": {"secure": "v1:abc"}}
    assert replaced["clusters"] != PROVIDED["clusters"]


def test_every_context_leads_to_the_closed_port() -> None:
    document = yaml.safe_load(unreachable_kubeconfig(["cluster1", "cluster2"], 4711))
    assert [context["name"] for context in document["contexts"]] == ["cluster1", "cluster2"]
    assert {entry["cluster"]["server"] for entry in document["clusters"]} == {"https://127.0.0.1:4711"}


def test_the_stack_of_a_group_is_named_as_in_the_throw_away_state(replaced: dict[str, Any]) -> None:
    assert replaced["groups"] == {"a": {"stack": "part-a"}}
    state = group_state("spanmesh", "part-a", load_mesh(replaced), "a")
    (root,) = state["deployment"]["resources"]
    assert root["urn"] == "urn:pulumi:part-a::spanmesh::pulumi:pulumi:Stack::spanmesh-part-a"
    assert list(root["outputs"]["clusters"]) == ["cluster1"]
