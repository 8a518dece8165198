"""Clusters that were damaged behind Pulumi's back, or taken for each other: named, and mended by one command."""

import pytest
from kubernetes import client

from health.check import State
from health.checks import CHECKS
from health.examination import examine
from live.client import api_client
from live.observed import observe
from tests.lab.faults.runs import Held, accounted, in_clusters, in_state
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab


def failures(mesh: LabStack) -> set[str]:
    """Codes of what `spanmesh diagnose` finds wrong."""
    found = examine(observe(mesh.load().mesh, mesh.accesses), [each for each in CHECKS if not each.check.probe])
    return {each.cause.code for each in found if each.cause and each.state is State.FAILED}


def both_answer(mirrored: Mirrored) -> bool:
    """Whether every client gets all of its answers, and from both clusters."""
    asked = mirrored.ask(20).values()
    return all(not each.failures and set(each.answers) == set(mirrored.accesses) for each in asked)


def mended(mirrored: Mirrored) -> None:
    """All is as declared, and accounted for."""
    assert eventually(lambda: both_answer(mirrored), 60), mirrored.ask(20)
    assert eventually(lambda: not failures(mirrored.stack), 60), failures(mirrored.stack)
    accounted(mirrored.stack)
    ended = mirrored.stack.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout


def test_kubeconfigs_that_open_each_other_s_clusters_are_refused_before_anything_is_touched(mesh: LabStack) -> None:
    contexts = [cluster["kubeconfig"] for cluster in mesh.mesh["clusters"]]
    state, live = in_state(mesh), applied(mesh)
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
    assert in_state(mesh) == state
    assert applied(mesh) == live


def test_a_deleted_istio_system_is_named_harms_no_request_and_is_made_anew_by_one_command(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    before = sample_pods(mirrored)
    mirrored.kubectl("cluster2")("delete", "namespace", "istio-system")
    assert {name: asked.failures for name, asked in mirrored.ask(20).items()} == {"cluster1": [], "cluster2": []}
    refused = mesh.attempt("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "spanmesh:mesh.clusters[1]: cluster cluster2: the namespace istio-system was deleted" in refused.stdout
    assert "`pulumi up --refresh` makes them anew" in refused.stdout
    ended = mesh.attempt("up", "--yes", "--skip-preview", "--refresh")
    assert ended.returncode == 0, ended.stdout
    assert sample_pods(mirrored) == before
    mended(mirrored)


def applied(mesh: LabStack) -> set[Held]:
    """The objects in the clusters that Pulumi has set a field of."""
    return {held for held, by_pulumi in in_clusters(mesh.accesses).items() if by_pulumi}


def sample_pods(mirrored: Mirrored) -> dict[str, int]:
    """uid of every pod of the sample, and how often its containers were restarted."""
    found: dict[str, int] = {}
    for access in mirrored.accesses.values():
        with api_client(access) as api:
            for pod in client.CoreV1Api(api).list_namespaced_pod("sample").items:
                found[pod.metadata.uid] = sum(s.restart_count for s in pod.status.container_statuses or ())
    return found
