"""A kubeconfig that opens another cluster than the state knows, and a namespace that is gone, are told apart."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from live.kubeconfig import ClusterAccess
from live.made_clusters import (
    ClusterIds,
    Made,
    lost_namespaces,
    lost_releases,
    made_clusters,
    other_clusters,
    refuse_lost,
    uids_output,
)
from topology import Mesh, Problem, load_mesh

NAMES = ("cluster1", "cluster2")
MADE = {"cluster1": Made("uid-1", "namespace-1"), "cluster2": Made("uid-2", "namespace-2")}
OPENS_1 = ClusterIds("uid-1", "namespace-1")
OPENS_2 = ClusterIds("uid-2", "namespace-2")


@pytest.fixture
def mesh() -> Mesh:
    return load_mesh({"clusters": [{"name": n, "network": n, "apiServer": f"https://{n}.example.com"} for n in NAMES]})


@pytest.fixture
def accesses() -> dict[str, ClusterAccess]:
    return {n: ClusterAccess(n, {"clusters": [{"cluster": {"server": f"https://{n}.example.com"}}]}) for n in NAMES}


def found(
    mesh: Mesh, accesses: Mapping[str, ClusterAccess], made: Mapping[str, Made], seen: Mapping[str, ClusterIds]
) -> tuple[list[Problem], list[Problem]]:
    lost = [each.problem for each in lost_namespaces(mesh, made, seen)]
    return list(other_clusters(mesh, made, seen, accesses)), lost


@pytest.mark.parametrize(
    "made",
    [
        MADE,
        {name: Made() for name in NAMES},
        # Killed before the first update's end.
        {"cluster1": Made(None, "namespace-1"), "cluster2": Made()},
        # The stack of a group.
        {"cluster1": Made("uid-1"), "cluster2": Made("uid-2")},
    ],
    ids=["up", "new", "half made", "group"],
)
def test_the_same_clusters_pass(mesh: Mesh, accesses: dict[str, ClusterAccess], made: dict[str, Made]) -> None:
    assert found(mesh, accesses, made, {"cluster1": OPENS_1, "cluster2": OPENS_2}) == ([], [])


def test_a_cluster_that_does_not_answer_is_not_judged(mesh: Mesh, accesses: dict[str, ClusterAccess]) -> None:
    assert found(mesh, accesses, MADE, {"cluster2": OPENS_2}) == ([], [])


def test_swapped_kubeconfigs_are_named_with_both_clusters(mesh: Mesh, accesses: dict[str, ClusterAccess]) -> None:
    others, lost = found(mesh, accesses, MADE, {"cluster1": OPENS_2, "cluster2": OPENS_1})
    assert [problem.key for problem in others] == [f"spanmesh:mesh.clusters[{n}].kubeconfig" for n in (0, 1)]
    assert "it opens the cluster of cluster2 at https://cluster1.example.com (kube-system has the uid uid-2)" in str(
        others[0]
    )
    assert "made for cluster1 stands elsewhere (kube-system has the uid uid-1)" in str(others[0])
    assert lost == []


def test_after_an_interrupted_first_update_a_swap_is_known_by_the_namespaces(
    mesh: Mesh, accesses: dict[str, ClusterAccess]
) -> None:
    made = {"cluster1": Made(None, "namespace-1"), "cluster2": Made(None, "namespace-2")}
    others, _ = found(mesh, accesses, made, {"cluster1": OPENS_2, "cluster2": OPENS_1})
    assert ["the cluster of cluster2" in str(others[0]), "the cluster of cluster1" in str(others[1])] == [True, True]


def test_an_unrelated_cluster_is_refused_with_the_way_on_for_a_new_one_in_its_place(
    mesh: Mesh, accesses: dict[str, ClusterAccess]
) -> None:
    seen = {"cluster1": ClusterIds("uid-9", None), "cluster2": OPENS_2}
    (other,), lost = found(mesh, accesses, MADE, seen)
    assert "it opens another cluster" in str(other)
    assert "uid-9" in str(other)
    assert "uid-1" in str(other)
    assert "`spanmesh forget cluster1`" in str(other)
    assert lost == []


@pytest.mark.parametrize("namespace", [None, "made by somebody else"])
def test_a_deleted_namespace_is_named_with_the_one_command_that_mends(
    mesh: Mesh, accesses: dict[str, ClusterAccess], namespace: str | None
) -> None:
    seen = {"cluster1": OPENS_1, "cluster2": ClusterIds("uid-2", namespace)}
    others, (lost,) = found(mesh, accesses, MADE, seen)
    assert others == []
    assert "cluster cluster2: the namespace istio-system was deleted" in str(lost)
    assert "`pulumi up --refresh` makes them anew" in str(lost)


def test_a_release_without_a_record_is_named_with_repair(mesh: Mesh) -> None:
    both = frozenset({"istio-base", "istiod"})
    made = {"cluster1": Made("uid-1", "namespace-1", both), "cluster2": Made("uid-2", "namespace-2", both)}
    whole = ClusterIds("uid-1", "namespace-1", both)
    partly = ClusterIds("uid-2", "namespace-2", frozenset({"istio-base"}))
    (problem,) = lost_releases(mesh, made, {"cluster1": whole, "cluster2": partly})
    assert "cluster cluster2: Helm has no record of istiod, which the stack's state still has" in str(problem)
    assert "`spanmesh repair`" in str(problem)
    assert list(lost_releases(mesh, made, {"cluster2": ClusterIds("uid-2", None)})) == []


def test_the_output_keeps_what_it_knows_of_a_cluster_that_does_not_answer() -> None:
    seen = {"cluster2": OPENS_2, "cluster3": ClusterIds("uid-3", None)}
    assert uids_output(MADE, seen) == {"cluster1": "uid-1", "cluster2": "uid-2", "cluster3": "uid-3"}
    assert uids_output({"cluster1": Made()}, {}) == {}


class Namespace:
    """A declared namespace of which the engine has said its metadata."""

    def __init__(self, uid: str) -> None:
        self.metadata = self
        self.uid = uid

    def apply(self, told: Callable[["Namespace"], None]) -> None:
        told(self)


@pytest.mark.parametrize(("uid", "refused"), [("namespace-2", True), ("made anew", False)])
def test_an_update_fails_unless_the_engine_makes_the_namespace_anew(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch, uid: str, refused: bool
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    lost = list(lost_namespaces(mesh, MADE, {"cluster1": OPENS_1, "cluster2": ClusterIds("uid-2", None)}))
    namespaces: Any = {"cluster2": Namespace(uid)}
    with pytest.raises(pulumi.RunError, match="pulumi up --refresh") if refused else nullcontext():
        refuse_lost(lost, namespaces)


def test_a_preview_warns_of_a_deleted_namespace(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    namespaces: Any = {"cluster2": Namespace("namespace-2")}
    refuse_lost(list(lost_namespaces(mesh, MADE, {"cluster2": ClusterIds("uid-2", None)})), namespaces)
    assert ["pulumi up --refresh" in line for line in said] == [True]


def test_what_is_made_is_read_from_the_stack_s_own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = "urn:pulumi:test::spanmesh::a$kubernetes:core/v1:Namespace::mesh-trust-cluster1-namespace"
    state: dict[str, Any] = {
        "urn:pulumi:test::spanmesh::pulumi:pulumi:Stack::spanmesh-test": {
            "type": "pulumi:pulumi:Stack",
            "outputs": {"clusterUids": {"cluster1": "uid-1"}},
        },
        namespace: {"type": "kubernetes:core/v1:Namespace", "outputs": {"metadata": {"uid": "namespace-1"}}},
        "urn:pulumi:test::spanmesh::b$kubernetes:helm.sh/v3:Release::mesh-cluster1-control-plane-istiod": {
            "type": "kubernetes:helm.sh/v3:Release",
            "outputs": {"name": "istiod"},
        },
        "urn:pulumi:test::spanmesh::b$kubernetes:helm.sh/v3:Release::mesh-cluster1-control-plane-istiod-1-31-2": {
            "type": "kubernetes:helm.sh/v3:Release",
            "outputs": {"name": "istiod-1-31-2"},
        },
        "urn:pulumi:test::spanmesh::kubernetes:helm.sh/v3:Release::mesh-cluster1-control-plane-other": {
            "type": "kubernetes:helm.sh/v3:Release",
            "outputs": {"name": "other"},
        },
    }

    def invoke(token: str, arguments: dict[str, str]) -> SimpleNamespace:
        assert (token, arguments) == ("pulumi:pulumi:readStackResourceOutputs", {"stackName": "test"})
        return SimpleNamespace(value={"outputs": state})

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    assert made_clusters("test", NAMES) == {
        "cluster1": Made("uid-1", "namespace-1", frozenset({"istiod", "istiod-1-31-2"})),
        "cluster2": Made(),
    }
