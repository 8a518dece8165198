"""Clusters that were damaged behind Pulumi's back, or taken for each other: named, and mended by one command."""

import base64
import json

import pytest
import yaml
from kubernetes import client

from health.check import State
from health.checks import CHECKS
from health.examination import examine
from live.client import api_client
from live.observed import observe
from tests.lab.faults.runs import applied, in_state, settled
from tests.lab.faults.under_load import under_load
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
SYSTEM = ("-n", "istio-system")
REMOTE = "istio-remote-clusters"
FEW = 5
POLICY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "elsewhere", "namespace": "sample"},
    "spec": {"hosts": ["elsewhere.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
}


def failures(mesh: LabStack) -> set[str]:
    """Codes of what `spanmesh diagnose` finds wrong."""
    found = examine(observe(mesh.load().mesh, mesh.accesses), [each for each in CHECKS if not each.check.probe])
    return {each.cause.code for each in found if each.cause and each.state is State.FAILED}


def refreshed(mesh: LabStack) -> None:
    """The one command that mends."""
    ended = mesh.attempt("up", "--yes", "--skip-preview", "--refresh")
    assert ended.returncode == 0, ended.stdout


def both_answer(mirrored: Mirrored) -> bool:
    """Whether every client gets all of its answers, and from both clusters."""
    asked = mirrored.ask(20).values()
    return all(not each.failures and set(each.answers) == set(mirrored.accesses) for each in asked)


def mended(mirrored: Mirrored) -> None:
    """All is as declared, and accounted for."""
    assert eventually(lambda: both_answer(mirrored), 60), mirrored.ask(20)
    assert eventually(lambda: not failures(mirrored.stack), 60), failures(mirrored.stack)
    settled(mirrored.stack)


def sample_pods(mirrored: Mirrored) -> dict[str, int]:
    """uid of every pod of the sample, and how often its containers were restarted."""
    found: dict[str, int] = {}
    for access in mirrored.accesses.values():
        with api_client(access) as api:
            for pod in client.CoreV1Api(api).list_namespaced_pod("sample").items:
                found[pod.metadata.uid] = sum(s.restart_count for s in pod.status.container_statuses or ())
    return found


def test_kubeconfigs_that_open_each_other_s_clusters_are_refused_before_anything_is_touched(mesh: LabStack) -> None:
    contexts = [cluster["kubeconfig"] for cluster in mesh.mesh["clusters"]]
    before = in_state(mesh), applied(mesh)
    for cluster, context in zip(mesh.mesh["clusters"], reversed(contexts), strict=True):
        cluster["kubeconfig"] = context
    mesh.write()
    try:
        ended = mesh.attempt("up", "--yes", "--skip-preview")
    finally:
        for cluster, context in zip(mesh.mesh["clusters"], contexts, strict=True):
            cluster["kubeconfig"] = context
        mesh.write()
    assert ended.returncode != 0
    for number, (name, other) in enumerate([("cluster1", "cluster2"), ("cluster2", "cluster1")]):
        assert f"spanmesh:mesh.clusters[{number}].kubeconfig: it opens the cluster of {other} at" in ended.stdout
        assert f"Give the kubeconfig of {name}" in ended.stdout
    assert (in_state(mesh), applied(mesh)) == before


def test_a_revoked_token_an_edited_remote_secret_and_deleted_crds_are_mended_by_one_command_under_load(
    mirrored: Mirrored,
) -> None:
    mesh = mirrored.stack
    mirrored.declare({"elsewhere.yaml": [POLICY]})
    mesh.up()
    first, second = mirrored.kubectl("cluster1"), mirrored.kubectl("cluster2")
    with under_load(mirrored) as load:
        second(*SYSTEM, "delete", "secret", "istio-reader-cluster1-token")
        assert eventually(lambda: "SM628" in failures(mesh)), failures(mesh)
        document = yaml.safe_load(base64.b64decode(second.get(*SYSTEM, "secret", REMOTE)["data"]["cluster1"]))
        document["clusters"][0]["cluster"]["server"] = "https://198.51.100.99:6443"
        patch = json.dumps({"stringData": {"cluster1": yaml.safe_dump(document)}})
        second(*SYSTEM, "patch", "secret", REMOTE, "-p", patch)
        load.note("without CRDs")
        crds = [name for name in first("get", "crd", "-o", "name").split() if name.endswith(".istio.io")]
        assert len(crds) > 10
        first("delete", *crds)
        assert eventually(lambda: "SM624" in failures(mesh)), failures(mesh)
        refreshed(mesh)
    load.show("revoked token, edited remote Secret, deleted CRDs")
    assert load.failures("cluster1") == []
    assert [each for each in load.between("cluster2", "began", "without CRDs") if not each.cluster] == []
    # With its CRD the Gateway at 15443 goes: connections to it are refused, and a request's retries may all meet it.
    failed = load.failures("cluster2")
    assert len(failed) <= FEW
    assert all("remote connection failure" in each for each in failed), failed
    assert mirrored.holds("cluster1", "serviceentry", "elsewhere")
    mended(mirrored)


def test_a_deleted_istio_system_is_named_and_made_anew_by_one_command_under_load(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    mirrored.declare()
    before = sample_pods(mirrored)
    with under_load(mirrored) as load:
        mirrored.kubectl("cluster2")("delete", "namespace", "istio-system")
        load.note("gone")
        refused = mesh.attempt("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        assert "spanmesh:mesh.clusters[1]: cluster cluster2: the namespace istio-system was deleted" in refused.stdout
        assert "`pulumi up --refresh` makes them anew" in refused.stdout
        load.note("made anew")
        refreshed(mesh)
    load.show("deleted istio-system")
    assert load.failures("cluster2") == []
    # Before and after, requests of the other cluster that are on their way to the gateway may hang.
    assert [each for each in load.between("cluster1", "gone", "made anew") if not each.cluster] == []
    assert len(load.failures("cluster1")) <= FEW
    assert sample_pods(mirrored) == before
    mended(mirrored)
