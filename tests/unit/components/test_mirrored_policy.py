"""Policy as it is declared to Pulumi, in every cluster that it goes to."""

from typing import Any

import pulumi
import pytest

from components.mirrored_policy import MirroredPolicy, MirroredPolicyArgs
from components.providers import cluster_provider
from policy.document import parse
from policy.world import Placed
from tests.unit.components.recording import Recorder, record

CLUSTERS = ("cluster1", "cluster2", "cluster3")
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello, namespace: sample}
spec:
  http: [{route: [{destination: {host: hello, subset: v1}}], mirror: {host: other.sample.svc.cluster.local}}]
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: NAME, namespace: sample}
spec: {host: HOST, subsets: [{name: v1}]}
"""
HTTP_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: hello, namespace: apps}
spec: {rules: [{backendRefs: [{name: hello, namespace: sample, port: 80}]}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: reports, namespace: sample}
spec: {ports: [{name: http, port: 80}]}
"""


def rule(name: str, host: str) -> str:
    return RULE.replace("NAME", name).replace("HOST", host)


def recorded(*texts: str, clusters: tuple[str, ...] = CLUSTERS, known: tuple[str, ...] = CLUSTERS) -> Recorder:
    placed = [Placed(document, clusters) for text in texts for document in parse(text, "policies/a.yaml")]

    def program() -> Any:
        providers = {name: cluster_provider(name, "kubeconfig", False) for name in known}
        MirroredPolicy("policy", MirroredPolicyArgs("prod", placed, providers))
        return {}

    return record(program)[0]


def test_every_cluster_gets_the_same_object_by_its_own_provider() -> None:
    found = sorted(recorded(ROUTE).of("VirtualService"), key=lambda each: each.name)
    assert [r.name for r in found] == [f"policy-{c}-virtualservice-sample-hello" for c in CLUSTERS]
    assert [r.provider.rsplit("::", 2)[-2] for r in found] == list(CLUSTERS)
    assert len({str(r.inputs) for r in found}) == 1
    assert found[0].inputs["metadata"]["labels"]["spanmesh.io/file"] == "policies.a.yaml"


def test_narrowed_policy_and_clusters_that_wait() -> None:
    assert len(recorded(ROUTE, clusters=("cluster2",)).of("VirtualService")) == 1
    (found,) = recorded(ROUTE, known=("cluster3",)).of("VirtualService")
    assert found.name == "policy-cluster3-virtualservice-sample-hello"


def test_a_declared_service_is_one_of_kubernetes() -> None:
    (found,) = recorded(SERVICE, clusters=("cluster1",)).of("Service")
    assert found.type == "kubernetes:core/v1:Service"
    assert found.inputs["spec"] == {"ports": [{"name": "http", "port": 80}]}


@pytest.mark.parametrize(
    ("route", "hosts", "waits"),
    [
        (ROUTE, ["hello", "other"], ["a", "b"]),
        (ROUTE, ["hello.sample.svc.cluster.local", "third"], ["a"]),
        (HTTP_ROUTE, ["hello", "third"], ["a"]),
    ],
)
def test_routes_wait_for_the_rules_of_their_hosts_in_all_clusters(
    route: str, hosts: list[str], waits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    after: dict[str, list[pulumi.Resource]] = {}
    make = MirroredPolicy._object

    def noted(self: MirroredPolicy, document: Any, cluster: str, waited: Any) -> pulumi.Resource:
        made = make(self, document, cluster, waited)
        after[f"{cluster} {document.kind} {document.name}"] = list(waited)
        names[made] = f"{cluster} {document.name}"
        return made

    names: dict[pulumi.Resource, str] = {}
    monkeypatch.setattr(MirroredPolicy, "_object", noted)
    recorded(route, *(rule(name, host) for name, host in zip("ab", hosts, strict=True)))
    kind = "VirtualService" if route == ROUTE else "HTTPRoute"
    waited = {names[each] for each in after[f"cluster1 {kind} hello"]}
    assert waited == {f"{cluster} {name}" for cluster in CLUSTERS for name in waits}
    assert after["cluster1 DestinationRule a"] == []
