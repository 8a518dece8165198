"""Istio's own tools beside our checks: what they find we find too, and what they say of a healthy mesh is known.

docs/istioctl.md has the reasons of every false alarm that is listed here.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from cli.drift import expected
from health.check import Result
from health.checks import CHECKS
from health.examination import examine
from live.observed import observe, second_look
from tests.lab.istioctl import Istioctl
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NETWORKING, Mirrored

pytestmark = pytest.mark.lab

JUDGED = "judged"
OTHER = {"cluster1": "cluster2", "cluster2": "cluster1"}
GATEWAY = ("IST0170", "Service istio-system/istio-eastwestgateway")
INJECTION = re.compile(r"istio-injection|istio\.io/rev")
KUBE = {"kube-system", "kube-public", "kube-node-lease"}


@pytest.fixture(params=["1.32-dev", "1.22.3"])
def judge(request: pytest.FixtureRequest, istioctl: Istioctl, istioctl_1_22: Istioctl) -> Istioctl:
    """istioctl of each version."""
    found: Istioctl = {each.version: each for each in (istioctl, istioctl_1_22)}[request.param]
    return found


def analysed(judge: Istioctl, cluster: str) -> set[tuple[str, str]]:
    """Code and object of everything that `istioctl analyze` says of a cluster.

    It must not take the kubeconfigs that stand in the cluster: it would follow them to wherever they lead.
    """
    if judge.version == "1.22.3":
        given = ["--istioNamespace", "no-remote-secrets", "analyze"]
    else:
        given = ["analyze", "--remote-contexts", OTHER[cluster]]
    # Its exit code says only that it found something.
    printed = judge.said(cluster, *given, "--all-namespaces", "--output", "json", "--timeout", "60s")
    return {(each["code"], each["origin"]) for each in json.loads(printed) or ()}


def false_alarms(mirrored: Mirrored, judge: Istioctl, cluster: str) -> set[tuple[str, str]]:
    """What it says of a mesh that works: docs/istioctl.md."""
    current = judge.version != "1.22.3"
    bare: set[str] = set()
    for each in mirrored.accesses if current else [cluster]:
        namespaces = mirrored.kubectl(each).get("namespaces")["items"]
        bare |= {n["metadata"]["name"] for n in namespaces if not INJECTION.search(" ".join(n["metadata"]["labels"]))}
    left_alone = {"istio-system"} | (KUBE if current else set())
    return {("IST0102", f"Namespace {name}") for name in bare - left_alone} | ({GATEWAY} if current else set())


def ours(mirrored: Mirrored) -> list[Result]:
    """What our checks find wrong."""
    stack = mirrored.stack.load()
    seen = observe(stack.mesh, stack.accesses)
    results = examine(second_look(seen, stack.accesses, expected(stack)), CHECKS)
    return [each for each in results if each.cause]


def test_on_a_healthy_mesh_nobody_finds_more_than_the_known_false_alarms(mirrored: Mirrored, judge: Istioctl) -> None:
    assert [each.message for each in ours(mirrored)] == []
    for cluster in mirrored.accesses:
        assert analysed(judge, cluster) == false_alarms(mirrored, judge, cluster)
        assert set(judge.remote_clusters(cluster).values()) == {"synced"}
        for proxy, states in judge.proxy_status(cluster).items():
            assert states == {"SYNCED"}, proxy
        # It ends well and says that nothing was found, or has a line for each thing.
        assert not re.search(r"IST\d{4}", judge.run(cluster, "x", "precheck"))


def _service(name: str, port: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": port, "port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": JUDGED}, "spec": spec}


def _policy(kind: str, name: str, version: str = NETWORKING, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": JUDGED}, "spec": spec}


def _route(service: str, **destination: str) -> dict[str, Any]:
    return {"hosts": [service], "http": [{"route": [{"destination": destination}]}]}


@contextmanager
def faults(mirrored: Mirrored) -> Iterator[None]:
    """A port of another name, routes to nowhere, and configuration that a proxy refuses: in their own namespace."""
    labels = {"istio-injection": "enabled"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": JUDGED, "labels": labels}}
    container = {
        "name": "web",
        "image": "localhost/sample:1",
        "imagePullPolicy": "Never",
        "command": ["sleep", "1000"],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "served", "namespace": JUDGED, "labels": {"app": "served"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["idle.example.com"]}
    patch = {"operation": "MERGE", "value": {"connect_timeout": "-5s"}}
    refused = [{"applyTo": "CLUSTER", "match": {"context": "SIDECAR_OUTBOUND"}, "patch": patch}]
    first, second = map(mirrored.kubectl, OTHER)
    try:
        first.apply(
            namespace,
            _service("ports", "http"),
            _service("served", "http"),
            _policy("EnvoyFilter", "refused", f"{NETWORKING}alpha3", configPatches=refused),
            _policy("DestinationRule", "served", host="served", subsets=[{"name": "v1", "labels": {"version": "v1"}}]),
            _policy("VirtualService", "nowhere", **_route("ports", host="nobody")),
            _policy("VirtualService", "subset", **_route("served", host="served", subset="v9")),
            _policy("Gateway", "idle", selector={"istio": "nobody"}, servers=[server]),
            pod,
        )
        second.apply(namespace, _service("ports", "tcp"))
        yield
    finally:
        for kubectl in (first, second):
            kubectl("delete", "namespace", JUDGED, "--ignore-not-found", "--wait=false")
        for kubectl in (first, second):
            kubectl("wait", "--for=delete", f"namespace/{JUDGED}", "--timeout=60s")


def _refuses(judge: Istioctl) -> bool:
    return "ERROR" in judge.proxy_status("cluster1").get("served", set())


def test_what_istioctl_finds_our_checks_find_too(
    mirrored: Mirrored, istioctl: Istioctl, istioctl_1_22: Istioctl
) -> None:
    with faults(mirrored):
        for judge in (istioctl, istioctl_1_22):
            assert eventually(partial(_refuses, judge), 60)
            new = analysed(judge, "cluster1") - false_alarms(mirrored, judge, "cluster1")
            compared = {("IST0170", f"Service {JUDGED}/ports")} if judge is istioctl else set()
            assert new == compared | {
                ("IST0101", f"VirtualService {JUDGED}/nowhere"),
                ("IST0101", f"VirtualService {JUDGED}/subset"),
                ("IST0101", f"Gateway {JUDGED}/idle"),
                # It says this of every EnvoyFilter.
                ("IST0133", f"EnvoyFilter {JUDGED}/refused"),
            }
        found = {each.cause.code: each for each in ours(mirrored) if each.cause}
        for code, name, where in (
            ("SM661", f"served.{JUDGED}", "cluster1"),
            ("SM672", f"{JUDGED}/ports", "cluster1 -> cluster2"),
            ("SM687", f"{JUDGED}/subset", "cluster1"),
            ("SM688", f"{JUDGED}/nowhere", "cluster1"),
            ("SM689", f"{JUDGED}/idle", "cluster1"),
        ):
            assert name in found[code].message
            assert found[code].where == where
    assert eventually(lambda: ours(mirrored) == [])
