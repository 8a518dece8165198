"""What preflight says of a cluster whose API server falls silent in the middle of its answers."""

import pytest
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError

from live import preflight
from live.kubeconfig import ClusterAccess
from live.made_clusters import ClusterIds
from live.nodes import NodeFacts
from live.takeover.charts import CRD, Foreign
from live.takeover.gateways import DEPLOYMENTS, PODS_STAY, InTheWay
from topology import load_mesh

DOCUMENT = {
    "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "clusters": [{"name": "a", "cluster": {"server": "https://203.0.113.1:6443"}}],
}


CLUSTER = {"name": "cluster1", "network": "network1", "kubeconfig": {"path": "a"}, "apiServer": "https://a:6443"}
MESH = load_mesh({"istio": {"version": "1.30.5", "hub": "docker.io/istio"}, "clusters": [CLUSTER]})
ACCESSES = {"cluster1": ClusterAccess("cluster1", DOCUMENT)}


def test_an_api_server_that_answers_once_and_then_no_more_is_named_and_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(*_: object) -> None:
        raise ReadTimeoutError(HTTPConnectionPool("203.0.113.1"), "/", "Read timed out. (read timeout=15)")

    monkeypatch.setattr(preflight, "cluster_ids", lambda access: None)
    monkeypatch.setattr(preflight, "node_facts", lambda access: None)
    monkeypatch.setattr(preflight, "helm_records", lambda access: [])
    monkeypatch.setattr(preflight, "foreign_objects", silent)
    report = preflight.preflight(MESH, ACCESSES)
    (problem,) = report.unreachable
    assert "cluster cluster1: its API server https://203.0.113.1:6443 does not answer" in str(problem)
    assert "Read timed out" in str(problem)


def problem_of(monkeypatch: pytest.MonkeyPatch, charts: list[Foreign], gateways: list[InTheWay]) -> str:
    """The one problem of a cluster that holds these objects of another installer."""
    monkeypatch.setattr(preflight, "cluster_ids", lambda access: ClusterIds("uid", None))
    monkeypatch.setattr(preflight, "node_facts", lambda access: NodeFacts())
    monkeypatch.setattr(preflight, "helm_records", lambda access: [])
    monkeypatch.setattr(preflight, "foreign_objects", lambda access, istio: charts)
    monkeypatch.setattr(preflight, "gateways_in_the_way", lambda access, names: gateways)
    (problem,) = preflight.preflight(MESH, ACCESSES).problems
    return str(problem)


def test_a_gateway_of_another_installer_is_named_with_the_command_that_takes_it_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = InTheWay(DEPLOYMENTS, "istio-eastwestgateway", PODS_STAY, stays=False, live={})
    problem = problem_of(monkeypatch, [], [deployment])
    assert "cluster cluster1: Istio objects of another installer are in the way" in problem
    assert "Deployment istio-system/istio-eastwestgateway" in problem
    assert "`spanmesh adopt`" in problem


def test_crds_alone_may_also_be_what_helm_kept_of_a_mesh_that_was_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [
        Foreign("apiextensions.k8s.io/v1", CRD, f"{kind}.networking.istio.io", "", "istio-base") for kind in "abcdef"
    ]
    problem = problem_of(monkeypatch, left, [])
    assert "cluster cluster1: CRDs left by another installer, or by a mesh of Istio before 1.24" in problem
    assert "CustomResourceDefinition a.networking.istio.io" in problem
    assert "and 1 more" in problem
    assert "`spanmesh adopt` makes them part of the mesh's Helm release" in problem
