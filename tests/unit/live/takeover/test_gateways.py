"""A gateway of another installer: what becomes of each of its objects, and what of it is nobody else's business."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.kubeconfig import ClusterAccess
from live.takeover import gateways
from live.takeover.gateways import (
    ANEW,
    KEPT,
    OTHER_LABELS,
    PODS_STAY,
    InTheWay,
    former_objects,
    gateways_in_the_way,
    shared_in_the_way,
    take_over_gateways,
)

ACCESS = ClusterAccess("cluster1", {"clusters": [{"cluster": {"server": "https://203.0.113.11:6443"}}]})
NAME = "istio-eastwestgateway"
FOLDER = "/namespaces/istio-system/"
SERVICE, DEPLOYMENT = f"/api/v1{FOLDER}services/{NAME}", f"/apis/apps/v1{FOLDER}deployments/{NAME}"
AUTOSCALER = f"/apis/autoscaling/v2{FOLDER}horizontalpodautoscalers/{NAME}"
BUDGET = f"/apis/policy/v1{FOLDER}poddisruptionbudgets/{NAME}"
CACERTS = f"/api/v1{FOLDER}secrets/cacerts"
STATUS = {"manager": "cloud", "subresource": "status", "fieldsV1": {"f:status": {}}}
LABELS = {"app": NAME, "istio": "eastwestgateway", "topology.istio.io/network": "network1"}


def made(manager: str, **content: Any) -> dict[str, Any]:
    """An object as somebody applies it."""
    name = content.pop("name", NAME)
    entries = [STATUS, {"manager": manager, "fieldsV1": {"f:spec": {}}}]
    metadata = {
        "name": name,
        "uid": "u1",
        "resourceVersion": "7",
        "managedFields": entries,
        **content.pop("metadata", {}),
    }
    return {"apiVersion": "v1", "metadata": metadata, **content}


def deployment(manager: str, labels: Mapping[str, str] = LABELS) -> dict[str, Any]:
    return made(manager, spec={"template": {"metadata": {"labels": labels}}})


def service(manager: str, *ports: int) -> dict[str, Any]:
    return made(manager, spec={"ports": [{"port": port} for port in ports]})


class Cluster:
    """The API of a cluster with these objects, which notes what is done to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **objects: dict[str, Any]) -> None:
        self.objects = {globals()[name.upper()]: each for name, each in objects.items()}
        self.done: list[tuple[str, Any]] = []
        monkeypatch.setattr(gateways, "api_client", nullcontext)
        monkeypatch.setattr(gateways, "Api", lambda opened: self)
        monkeypatch.setattr(client, "AppsV1Api", lambda api: self)
        monkeypatch.setattr(client, "AutoscalingV2Api", lambda api: self)
        monkeypatch.setattr(client, "PolicyV1Api", lambda api: self)

    def get(self, path: str) -> Any:
        if path not in self.objects:
            raise ApiException(status=404)
        return self.objects[path]

    def patch(self, path: str, content_type: str, body: list[dict[str, Any]], query: object) -> None:
        self.done.append((path, body))

    def delete_namespaced_deployment(self, name: str, namespace: str, **options: Any) -> None:
        body = options["body"]
        self.done.append(("deployment", (name, body.propagation_policy, body.preconditions.uid)))

    def delete_namespaced_horizontal_pod_autoscaler(self, name: str, namespace: str, **options: Any) -> None:
        self.done.append(("autoscaler", name))

    def delete_namespaced_pod_disruption_budget(self, name: str, namespace: str, **options: Any) -> None:
        self.done.append(("budget", name))


def in_the_way() -> dict[str, str]:
    return {each.kind.kind: each.becomes for each in gateways_in_the_way(ACCESS, [NAME])}


def test_what_istioctl_made_of_it_is_in_the_way_and_each_object_says_what_becomes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Cluster(
        monkeypatch,
        service=service("istio-operator", 15021, 15443, 15012, 15017),
        deployment=deployment("istio-operator"),
        autoscaler=made("istio-operator"),
        budget=made("istio-operator"),
    )
    assert in_the_way() == {
        "Service": f"{KEPT}, but for ports 15012 and 15017, which lead to istiod",
        "HorizontalPodAutoscaler": ANEW,
        "PodDisruptionBudget": ANEW,
        "Deployment": PODS_STAY,
    }


def test_what_the_stack_itself_applies_is_not_in_the_way_nor_what_was_taken_over_just_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Cluster(
        monkeypatch, service=service("pulumi-kubernetes-0a774d93", 15443), deployment=deployment("pulumi-kubernetes-1")
    )
    assert in_the_way() == {}
    Cluster(monkeypatch, service=service("spanmesh", 15443))
    assert in_the_way() == {}


def test_pods_that_the_mesh_s_deployment_cannot_adopt_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    Cluster(monkeypatch, deployment=deployment("helm", {"app": NAME}))
    assert in_the_way() == {"Deployment": OTHER_LABELS}


def test_the_deployment_goes_last_and_without_its_pods_and_the_service_stays_without_its_managers_and_istiod_s_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(
        monkeypatch,
        service=service("istio-operator", 15021, 15012, 15443, 15017),
        deployment=deployment("istio-operator"),
        autoscaler=made("istio-operator"),
        budget=made("istio-operator"),
    )
    take_over_gateways(ACCESS, gateways_in_the_way(ACCESS, [NAME]))
    *others, last = cluster.done
    assert last == ("deployment", (NAME, "Orphan", "u1"))
    assert sorted(what for what, _ in others) == sorted([SERVICE, "autoscaler", "budget"])
    [patch] = [body for what, body in others if what == SERVICE]
    managers = patch[0]["value"]
    assert [each["manager"] for each in managers] == ["cloud", "spanmesh"]
    assert managers[1]["fieldsV1"] == {"f:metadata": {"f:annotations": {".": {}}}}
    assert patch[1:] == [
        {"op": "test", "path": "/spec/ports/3/port", "value": 15017},
        {"op": "remove", "path": "/spec/ports/3"},
        {"op": "test", "path": "/spec/ports/1/port", "value": 15012},
        {"op": "remove", "path": "/spec/ports/1"},
    ]


def test_cacerts_keeps_its_content_and_only_loses_its_managers(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, cacerts=made("kubectl-create", name="cacerts"))
    [found] = shared_in_the_way(ACCESS)
    assert str(found) == "Secret istio-system/cacerts"
    take_over_gateways(ACCESS, [found])
    [(path, body)] = cluster.done
    assert path == CACERTS
    assert [each["path"] for each in body] == ["/metadata/managedFields"]


def test_a_gateway_of_a_helm_release_says_of_which(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = {"annotations": {"meta.helm.sh/release-name": "eastwest"}}
    Cluster(monkeypatch, budget=made("helm", metadata=metadata))
    [found] = gateways_in_the_way(ACCESS, [NAME])
    assert isinstance(found, InTheWay)
    assert found.helm_release == "eastwest"


def test_what_the_former_gateway_had_is_named_once_the_deployment_is_the_stack_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = f"/api/v1{FOLDER}serviceaccounts/{NAME}-service-account"
    cluster = Cluster(monkeypatch, deployment=deployment("istio-operator"))
    cluster.objects[account] = made("istio-operator")
    assert former_objects(ACCESS, [NAME]) == []
    cluster.objects[DEPLOYMENT] = deployment("pulumi-kubernetes-0a774d93")
    assert former_objects(ACCESS, [NAME]) == [f"serviceaccount/{NAME}-service-account"]
