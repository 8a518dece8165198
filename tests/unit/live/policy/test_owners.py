"""Objects that somebody else has made."""

from typing import Any

import pytest

from live.policy.owners import owners
from tests.unit.live.policy.objects import STACK, held, placed, route


def managers(*names: str) -> list[dict[str, str]]:
    status = {"manager": "pilot-discovery", "operation": "Update", "subresource": "status"}
    return [*({"manager": name, "operation": "Apply"} for name in names), status]


@pytest.mark.parametrize(
    ("metadata", "who"),
    [
        ({"labels": {"spanmesh.io/stack": "other"}, "managedFields": managers("x")}, "the stack other"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}}, "Argo CD shop:x"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux apps"),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}},
            "the Helm release shop",
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "kapp"}}, "made by kapp"),
        ({"managedFields": managers("kubectl-edit", "argocd-controller")}, "argocd-controller and kubectl-edit"),
        ({}, "someone who left no name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_made_an_object_is_told_as_far_as_it_says(metadata: dict[str, Any], who: str) -> None:
    theirs = route("v1")
    theirs["metadata"] |= metadata
    (finding,) = owners(placed(route("v1")), {"cluster1": held(), "cluster2": held(theirs)})
    assert (finding.rule.code, finding.clusters, finding.stops) == ("SM502", ("cluster2",), True)
    assert who in finding.message
    assert "pilot-discovery" not in finding.message


def test_own_objects_and_those_of_other_names_are_no_reason() -> None:
    clusters = {"cluster1": held(route("v1", stack=STACK), route("v1", name="else"))}
    assert owners(placed(route("v1")), clusters) == []


def test_a_declared_service_that_the_cluster_runs_itself_is_told_with_the_key_that_says_so() -> None:
    stub = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews", "namespace": "shop"}, "spec": {}}
    (finding,) = owners(placed(stub, clusters=["cluster1"]), {"cluster1": held(stub)})
    assert "name cluster1 in its `servedBy`" in finding.cure
