"""Objects that an interrupted run made, and the next one once more: they become the state's alone again."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError
from live.state import stale_managers
from live.state.stale_managers import Applied, applied, take_out_stale_managers

OWN, EARLIER = "pulumi-kubernetes-0a774d93", "pulumi-kubernetes-0b00e0e4"
FIELDS: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:example.com/changed": {}}}, "f:spec": {"f:type": {}}}
GATEWAY = Applied("cluster1", "v1", "Service", "istio-system", "istio-eastwestgateway", OWN)
ACCESS = ClusterAccess("cluster1", {"clusters": [{"cluster": {"server": "https://203.0.113.11:6443"}}]})


def entry(manager: str, fields: Mapping[str, Any], operation: str = "Apply") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


class Cluster:
    """The API of a cluster that has one Service, and notes how that is patched."""

    def __init__(self, *entries: Mapping[str, Any], answer: int = 200) -> None:
        self.entries = entries
        self.answer = answer
        self.patched: list[tuple[str, list[dict[str, Any]]]] = []

    def get(self, path: str, query: object = None, accept: object = None) -> Any:
        if path == "/api/v1":
            return {"resources": [{"name": "services", "kind": "Service", "namespaced": True}]}
        if not path.endswith("/istio-eastwestgateway"):
            raise ApiException(status=404)
        return {"metadata": {"resourceVersion": "7", "managedFields": list(self.entries)}}

    def patch(self, path: str, content_type: str, body: list[dict[str, Any]], query: object) -> None:
        if self.answer != 200:
            raise ApiException(status=self.answer)
        self.patched.append((path, body))


def taken_out(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, *objects: Applied) -> list[Applied]:
    monkeypatch.setattr(stale_managers, "api_client", nullcontext)
    monkeypatch.setattr(stale_managers, "Api", lambda client: cluster)
    return take_out_stale_managers(ACCESS, objects or [GATEWAY])


def test_the_manager_of_an_interrupted_run_is_taken_out_unless_somebody_changes_the_object_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = (entry(OWN, FIELDS), entry(EARLIER, FIELDS), entry("pilot-discovery", FIELDS, "Update"))
    cluster = Cluster(*entries)
    assert taken_out(monkeypatch, cluster) == [GATEWAY]
    assert cluster.patched == [
        (
            "/api/v1/namespaces/istio-system/services/istio-eastwestgateway",
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "remove", "path": "/metadata/managedFields/1"},
            ],
        )
    ]
    assert taken_out(monkeypatch, Cluster(*entries, answer=422)) == []
    with pytest.raises(UnreachableError, match="cluster1"):
        taken_out(monkeypatch, Cluster(*entries, answer=403))


@pytest.mark.parametrize(
    "other",
    [
        entry(EARLIER, {**FIELDS, "f:spec": {"f:externalIPs": {}}}),
        entry(EARLIER, FIELDS, "Update"),
        entry("argocd-controller", FIELDS),
        entry("pulumi-kubernetes-mine", FIELDS),
    ],
    ids=["with fields of its own", "no apply", "somebody else", "a manager that a user has named"],
)
def test_everybody_else_stays(monkeypatch: pytest.MonkeyPatch, other: Mapping[str, Any]) -> None:
    cluster = Cluster(entry(OWN, FIELDS), other)
    assert taken_out(monkeypatch, cluster) == []
    assert cluster.patched == []


def test_an_object_that_is_not_there_or_that_the_state_applies_by_nobody_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = Applied("cluster1", "v1", "Service", "istio-system", "gone", OWN)
    strange = Applied("cluster1", "example.com/v1", "Thing", "", "thing", OWN)
    cluster = Cluster(entry(EARLIER, FIELDS), entry("pulumi-kubernetes-12345678", FIELDS))
    assert taken_out(monkeypatch, cluster, gone, strange, GATEWAY) == []


def test_of_a_state_the_objects_that_pulumi_applies_are_looked_at() -> None:
    metadata = {"name": "istio-eastwestgateway", "namespace": "istio-system"}
    provider = "urn:pulumi:test::spanmesh::pulumi:providers:kubernetes::cluster1::04da6b54"
    service = {
        "type": "kubernetes:core/v1:Service",
        "provider": provider,
        "outputs": {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "__fieldManager": OWN},
    }
    release = {"type": "kubernetes:helm.sh/v3:Release", "provider": provider, "outputs": {"name": "istiod"}}
    component = {"type": "spanmesh:index:Mesh"}
    hidden = {**service, "outputs": {**service["outputs"], "metadata": "[secret]"}}  # type: ignore[dict-item]
    assert applied([service, release, component, hidden]) == [GATEWAY]
    assert str(GATEWAY) == "Service istio-system/istio-eastwestgateway"
