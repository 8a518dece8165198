"""What preflight says of a cluster whose API server falls silent in the middle of its answers."""

import pytest
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ReadTimeoutError

from live import preflight
from live.kubeconfig import ClusterAccess
from topology import load_mesh

DOCUMENT = {
    "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "clusters": [{"name": "a", "cluster": {"server": "https://203.0.113.1:6443"}}],
}


def test_an_api_server_that_answers_once_and_then_no_more_is_named_and_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(*_: object) -> None:
        raise ReadTimeoutError(HTTPConnectionPool("203.0.113.1"), "/", "Read timed out. (read timeout=15)")

    monkeypatch.setattr(preflight, "cluster_ids", lambda access: None)
    monkeypatch.setattr(preflight, "node_facts", lambda access: None)
    monkeypatch.setattr(preflight, "helm_records", lambda access: [])
    monkeypatch.setattr(preflight, "foreign_objects", silent)
    cluster = {"name": "cluster1", "network": "network1", "kubeconfig": {"path": "a"}, "apiServer": "https://a:6443"}
    mesh = load_mesh({"istio": {"version": "1.30.5", "hub": "docker.io/istio"}, "clusters": [cluster]})
    report = preflight.preflight(mesh, {"cluster1": ClusterAccess("cluster1", DOCUMENT)})
    (problem,) = report.unreachable
    assert "cluster cluster1: its API server https://203.0.113.1:6443 does not answer" in str(problem)
    assert "Read timed out" in str(problem)
