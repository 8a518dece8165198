"""Clusters of the tests: policy and Helm's releases, as an API server tells them."""

import base64
import copy
import gzip
import json
from collections.abc import Sequence
from typing import Any

import yaml

from policy.document import Document, parse
from policy.provenance import applied
from tests.unit.live.policy.api_server import FakeApiServer, istio_cluster

STACK = "prod"
SYSTEM = "/api/v1/namespaces/istio-system"
AUTOSCALERS = "/apis/autoscaling/v2/namespaces/istio-system/horizontalpodautoscalers"
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "istiod", "namespace": "istio-system"},
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "discovery", "env": [{"name": "A", "value": "1"}]}]}},
    },
}
WEBHOOK: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "istio-validator-istio-system"},
    "webhooks": [{"name": "rev.validation.istio.io", "clientConfig": {"service": {}}, "failurePolicy": "Ignore"}],
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "sidecars.networking.istio.io"},
    "spec": {"versions": [{"name": "v1", "served": True}]},
}
PLURALS = {
    "Deployment": "deployments",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "CustomResourceDefinition": "customresourcedefinitions",
}


def documents(*objects: dict[str, Any]) -> list[Document]:
    """Objects as declared in a file."""
    return parse(yaml.safe_dump_all(objects, sort_keys=False), "shop.yaml")


def as_applied(body: dict[str, Any]) -> dict[str, Any]:
    """An object as the stack applied it, and as it is live."""
    live = applied(documents(body)[0], STACK)
    live["metadata"] |= {"resourceVersion": "5", "managedFields": [managed("pulumi-kubernetes-1a", body["spec"])]}
    return live


def managed(manager: str, spec: dict[str, Any]) -> dict[str, Any]:
    """What the API server says of a manager that set these fields of a spec."""
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {f"f:{key}": {} for key in spec}}}


def record(name: str, *objects: dict[str, Any], revision: int = 1, crds: Sequence[dict[str, Any]] = ()) -> Any:
    """Helm's Secret of a deployed revision."""
    files = [{"name": "README.md", "data": ""}]
    if crds:
        text = yaml.safe_dump_all(crds).encode()
        files.append({"name": "crds/crd-all.gen.yaml", "data": base64.b64encode(text).decode()})
    release = {
        "name": name,
        "namespace": "istio-system",
        "version": revision,
        "chart": {"files": files},
        "manifest": yaml.safe_dump_all(objects),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    labels = {"name": name, "owner": "helm", "status": "deployed", "version": str(revision)}
    return {
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "labels": labels},
        "data": {"release": base64.b64encode(packed).decode()},
    }


def cluster(*live: dict[str, Any], records: Sequence[Any] | None = None, own: Sequence[Any] = ()) -> FakeApiServer:
    """A cluster with both releases deployed; what of their objects is live; and policy of the stack."""
    by_kind: dict[str, list[Any]] = {"virtualservices": [], "destinationrules": []}
    for item in own:
        by_kind[f"{item['kind'].lower()}s"].append(item)
    server = istio_cluster(**by_kind)
    if records is None:
        records = [record("istio-base", CRD), record("istiod", DEPLOYMENT, WEBHOOK)]
        live = live or (CRD, DEPLOYMENT, WEBHOOK)
    server.answers |= {f"{SYSTEM}/secrets": list(records), AUTOSCALERS: []}
    for each in (DEPLOYMENT, WEBHOOK, CRD):
        resource = {"name": PLURALS[each["kind"]], "kind": each["kind"], "namespaced": each is DEPLOYMENT}
        server.answers[f"/apis/{each['apiVersion']}"] = {"resources": [resource]}
    for item in [*live, *own]:
        server.answers[path(item)] = copy.deepcopy(item)
    return server


def path(item: dict[str, Any]) -> str:
    """Path of an object."""
    plural = PLURALS.get(item["kind"], f"{item['kind'].lower()}s")
    namespace = item["metadata"].get("namespace")
    return (
        f"/apis/{item['apiVersion']}/"
        + (f"namespaces/{namespace}/" if namespace else "")
        + (f"{plural}/{item['metadata']['name']}")
    )
