"""Declared policy held against running clusters: what they hold, whose objects are, and what istiod would refuse."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from cli.project import ROOT
from lab import Lab
from live.kubeconfig import ClusterAccess
from live.policy import Judgement, judge, read_all
from policy.document import parse
from policy.world import Placed
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

STACK, NAMESPACE = "preflight", "preflight"
CLUSTERS = ("cluster1", "cluster2")
HOST = f"reviews.{NAMESPACE}.svc.cluster.local"


def virtual_service(name: str = "reviews", **route: Any) -> dict[str, Any]:
    """A VirtualService with one route."""
    spec = {"hosts": [HOST], "http": [{"route": [{"destination": {"host": HOST}, **route}]}]}
    return istio("VirtualService", name, spec)


def istio(kind: str, name: str, spec: dict[str, Any], api_version: str = "networking.istio.io/v1") -> dict[str, Any]:
    """An object of Istio in the test's namespace."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def placed(*objects: dict[str, Any], clusters: Sequence[str] = CLUSTERS) -> list[Placed]:
    """Objects as declared in a file of these clusters."""
    text = yaml.safe_dump_all(objects, sort_keys=False)
    return [Placed(document, tuple(clusters)) for document in parse(text, "policies/reviews.yaml")]


def own(body: dict[str, Any]) -> dict[str, Any]:
    """The object as this stack would have applied it."""
    return {**body, "metadata": {**body["metadata"], "labels": {"spanmesh.io/stack": STACK}}}


def judged(accesses: dict[str, ClusterAccess], policy: list[Placed], coming: Sequence[str] = ()) -> Judgement:
    """What the clusters say."""
    return judge(accesses, STACK, policy, read_all(accesses, STACK, policy), frozenset(coming))


@pytest.fixture(scope="module")
def accesses(mesh: LabStack) -> dict[str, ClusterAccess]:
    return mesh.accesses


@pytest.fixture(scope="module")
def namespaces(lab: Lab, mesh: LabStack) -> Iterator[list[Kubectl]]:
    """kubectl on both clusters of the mesh, with the test's namespace."""
    found = [Kubectl.of(lab, name) for name in CLUSTERS]
    for kubectl in found:
        kubectl("create", "namespace", NAMESPACE)
    yield found
    for kubectl in found:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def clusters(namespaces: list[Kubectl]) -> Iterator[list[Kubectl]]:
    """kubectl on both clusters; the policy of the test goes with it."""
    yield namespaces
    for kubectl in namespaces:
        kubectl("delete", "virtualservices,destinationrules", "--all", "-n", NAMESPACE)


def test_services_pods_and_injection_are_read_as_they_are(accesses: dict[str, ClusterAccess]) -> None:
    policy = placed({**virtual_service(), "spec": {"hosts": ["helloworld.sample.svc.cluster.local"]}})
    readings = read_all(accesses, STACK, policy)
    assert readings.unread == {}
    for number, name in enumerate(CLUSTERS, start=1):
        live = readings.live[name]
        (hello,) = [service for service in live.services if service.name == "helloworld"]
        assert [(port.name, port.port) for port in hello.ports] == [("http", 5000)]
        pods = [p for p in live.pods if hello.selector.items() <= p.labels.items()]
        assert [(p.labels["version"], p.injected, p.ready) for p in pods] == [(f"v{number}", True, 1)]
        assert {p.namespace for p in live.pods} == {"sample"}, "of no namespace that policy does not concern"
        assert (live.namespaces["sample"], live.namespaces["kube-system"]) == (True, False)
        assert "networking.istio.io/EnvoyFilter" in live.kinds
        assert "cross-network-gateway" in {item["metadata"]["name"] for item in live.others}


def test_what_istiod_refuses_is_told_at_its_line_and_nothing_is_kept(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    live = own(virtual_service("live"))
    for kubectl in clusters:
        kubectl.apply(live)
    before = [kubectl.get("virtualservices", "live", "-n", NAMESPACE) for kubectl in clusters]
    policy = placed(
        virtual_service("fine"),
        virtual_service("negative", weight=-1),
        virtual_service("unknown", wieght=1),
        virtual_service("live", weight=-2),
    )
    judgement = judged(accesses, policy)
    assert judgement.unjudged == {}
    said = {finding.subject.split("/")[1]: finding for finding in judgement.findings}
    assert set(said) == {"negative", "unknown", "live"}
    for finding in said.values():
        assert (finding.rule.code, finding.clusters, finding.stops) == ("SM501", CLUSTERS, True)
    assert "validation.istio.io: weight -1 < 0" in said["negative"].message
    assert "validation.istio.io: weight -2 < 0" in said["live"].message, "an update is judged as well as a new object"
    assert "spec.http[0].route[0].wieght" in said["unknown"].message
    unknown = policy[2].document
    assert said["unknown"].line == unknown.lines["spec", "http", 0, "route", 0, "wieght"]
    for kubectl, live_before in zip(clusters, before, strict=True):
        (kept,) = kubectl.get("virtualservices", "-n", NAMESPACE)["items"]
        assert kept["metadata"]["resourceVersion"] == live_before["metadata"]["resourceVersion"]


def test_a_change_that_server_side_apply_would_merge_with_the_live_object_is_judged_as_declared(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    def rule(**setting: Any) -> dict[str, Any]:
        policy = {"outlierDetection": {"consecutive5xxErrors": 1}, "loadBalancer": {"localityLbSetting": setting}}
        return istio("DestinationRule", "reviews", {"host": HOST, "trafficPolicy": policy})

    for kubectl in clusters:
        kubectl.apply(own(rule(failover=[{"from": "cn-north-4", "to": "cn-east-3"}])))
    # Both together are what istiod refuses; the update changes one for the other.
    update = rule(distribute=[{"from": "cn-north-4/*", "to": {"cn-north-4/*": 100}}])
    assert judged(accesses, placed(update)) == Judgement()


def test_an_object_of_someone_else_is_named_with_its_owner_and_left_alone(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    first, second = clusters
    first.apply(virtual_service())
    theirs = virtual_service()
    theirs["metadata"]["labels"] = {"spanmesh.io/stack": "other"}
    second.apply(theirs)
    findings = judged(accesses, placed(virtual_service())).findings
    assert [(f.rule.code, f.clusters, f.stops) for f in findings] == [
        ("SM502", ("cluster1",), True),
        ("SM502", ("cluster2",), True),
    ]
    assert "kubectl-client-side-apply" in findings[0].message
    assert "the stack other" in findings[1].message


def test_kinds_and_namespaces_that_are_not_there_are_told_but_not_those_to_come(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    nowhere = virtual_service()
    nowhere["metadata"]["namespace"] = "nowhere"
    policy = placed(
        istio("HTTPRoute", "reviews", {}, "gateway.networking.k8s.io/v1"),
        istio("EnvoyFilter", "reviews", {"configPatches": []}),
        nowhere,
    )
    route, version, namespace = judged(accesses, policy).findings[:3]
    assert (route.rule.code, version.rule.code, namespace.rule.code) == ("SM503", "SM503", "SM504")
    assert "networking.istio.io/v1alpha3" in version.cure
    assert {f.rule.code for f in judged(accesses, policy, coming=["nowhere"]).findings} == {"SM503"}


def test_a_subset_that_goes_before_the_routes_of_another_cluster_is_told(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    def rule(*versions: str) -> dict[str, Any]:
        subsets = [{"name": version, "labels": {"version": version}} for version in versions]
        return istio("DestinationRule", "reviews", {"host": HOST, "subsets": subsets})

    def route(version: str) -> dict[str, Any]:
        spec = {"hosts": [HOST], "http": [{"route": [{"destination": {"host": HOST, "subset": version}}]}]}
        return istio("VirtualService", "reviews", spec)

    for kubectl in clusters:
        kubectl.apply(own(rule("v1", "v2")))
    clusters[1].apply(own(route("v1")))
    (finding,) = judged(accesses, placed(rule("v2"), route("v2"))).findings
    assert (finding.rule.code, finding.stops) == ("SM505", False)
    assert "v1" in finding.message
    assert "in cluster2 leads to it" in finding.message
    assert judged(accesses, placed(rule("v1", "v2"), route("v2"))).findings == (), "the first of two updates"


def test_a_cluster_whose_istiod_is_down_gives_a_reason_and_the_other_its_verdict(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    second = clusters[1]
    second("-n", "istio-system", "scale", "deployment/istiod", "--replicas=0")
    try:
        assert eventually(lambda: not second.get("endpoints", "istiod", "-n", "istio-system").get("subsets"))
        judgement = judged(accesses, placed(virtual_service(weight=-1)))
    finally:
        second("-n", "istio-system", "scale", "deployment/istiod", "--replicas=1")
        second("-n", "istio-system", "rollout", "status", "deployment/istiod", "--timeout=60s")
    assert [(f.rule.code, f.clusters) for f in judgement.findings] == [("SM501", ("cluster1",))]
    assert set(judgement.unjudged) == {"cluster2"}
    assert "cannot ask the webhook" in judgement.unjudged["cluster2"]
    # What stands behind it depends on how far kube-proxy is with the endpoint that went.
    causes = ("connection refused", "no endpoints available", "context deadline exceeded")
    assert any(cause in judgement.unjudged["cluster2"] for cause in causes)


def test_the_rights_that_the_documentation_names_are_enough(
    accesses: dict[str, ClusterAccess], clusters: list[Kubectl]
) -> None:
    role = yaml.safe_load((ROOT / "docs/policy-rights.yaml").read_text())
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": NAMESPACE}}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]}
    binding = {
        "apiVersion": role["apiVersion"],
        "kind": "ClusterRoleBinding",
        "metadata": role["metadata"],
        "subjects": [subject],
        "roleRef": reference,
    }
    service = {**account, "kind": "Service", "spec": {"ports": [{"name": "http", "port": 80}]}}
    policy = placed(virtual_service("live", weight=-1), virtual_service("new", weight=-1), service)
    first = clusters[0]
    first.apply(account, role, binding, own(virtual_service("live")))
    try:
        token = json.loads(first("create", "token", "reader", "-n", NAMESPACE, "--duration=10m", "-o", "json"))[
            "status"
        ]["token"]
        narrow = {"cluster1": as_account(accesses["cluster1"], token)}
        assert eventually(lambda: not read_all(narrow, STACK, policy).unread)
        judgement = judged(narrow, policy)
        assert judgement.unjudged == {}
        assert [f.subject for f in judgement.findings] == [f"VirtualService {NAMESPACE}/{n}" for n in ("live", "new")]
        reading = {**role, "rules": [rule for rule in role["rules"] if rule["verbs"] == ["list"]]}
        first.apply(reading)
        assert eventually(lambda: bool(judged(narrow, policy).unjudged))
        judgement = judged(narrow, policy)
        assert judgement.findings == ()
        assert "cannot patch resource" in judgement.unjudged["cluster1"]
    finally:
        first("delete", "clusterrole,clusterrolebinding", role["metadata"]["name"])


def as_account(access: ClusterAccess, token: str) -> ClusterAccess:
    """The cluster as opened by a token alone."""
    document = json.loads(json.dumps(access.document))
    document["users"][0]["user"] = {"token": token}
    return ClusterAccess(access.name, document)
