"""Clusters that are declared no more: found in the state, and named where they do not answer."""

from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from live import removed_clusters
from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError
from live.removed_clusters import silent

URN = "urn:pulumi:prod::spanmesh::"
PROVIDER = "pulumi:providers:kubernetes"
KUBECONFIG = "apiVersion: v1\nkind: Config\n"


def state(monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(token: str, arguments: dict[str, Any]) -> Any:
        assert (token, arguments) == ("pulumi:pulumi:readStackResourceOutputs", {"stackName": "prod"})
        resources = {
            f"{URN}{PROVIDER}::cluster1": {"type": PROVIDER, "outputs": {"kubeconfig": KUBECONFIG}},
            f"{URN}{PROVIDER}::cluster2": {"type": PROVIDER, "outputs": {"kubeconfig": KUBECONFIG}},
            f"{URN}kubernetes:core/v1:Secret::cluster3": {"type": "kubernetes:core/v1:Secret", "outputs": {}},
        }
        return SimpleNamespace(value={"outputs": resources})

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)


def test_a_cluster_of_the_state_that_is_not_declared_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    state(monkeypatch)
    assert list(removed_clusters.removed_clusters("prod", {"cluster1"})) == ["cluster2"]
    assert removed_clusters.removed_clusters("prod", {"cluster1", "cluster2"}) == {}


@pytest.mark.parametrize(("status", "named"), [(None, True), (401, False)])
def test_one_that_does_not_answer_is_named_with_the_way_to_let_go_of_it(
    status: int | None, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uid(access: ClusterAccess) -> str:
        raise UnreachableError(access.name, "no route", "Look", status)

    monkeypatch.setattr(removed_clusters, "cluster_uid", uid)
    (problem,) = silent({"cluster2": ClusterAccess("cluster2", {})}, "prod")
    assert str(problem).startswith("cluster cluster2: it is declared no more")
    assert ("`spanmesh forget cluster2 --stack prod`" in str(problem)) is named


def test_one_that_answers_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removed_clusters, "cluster_uid", lambda access: "uid")
    assert list(silent({"cluster2": ClusterAccess("cluster2", {})}, "prod")) == []
