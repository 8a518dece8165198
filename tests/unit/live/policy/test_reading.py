"""What is read of clusters: enough for the checks, and no more than that."""

import time
from typing import Any

from live.policy import read_all, read_live
from policy.world import Pods, Service, ServicePort
from tests.unit.live.policy.api_server import cluster, istio_cluster
from tests.unit.live.policy.objects import STACK, istio, placed, route, rule


def pod(name: str, namespace: str = "shop", **about: Any) -> dict[str, Any]:
    labels = {"app": "reviews", "version": "v1", "pod-template-hash": name[:1]}
    containers = [{"name": "app"}, *([{"name": "istio-proxy"}] if about.get("sidecar", True) else [])]
    native = [{"name": "istio-init"}, *([{"name": "istio-proxy"}] if about.get("native") else [])]
    ready = "True" if about.get("ready", True) else "False"
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    if about.get("going"):
        metadata["deletionTimestamp"] = "2026-11-22T23:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"containers": containers, "initContainers": native, "serviceAccountName": "reviews"},
        "status": {"phase": about.get("phase", "Running"), "conditions": [{"type": "Ready", "status": ready}]},
    }


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {key.replace("_", "-"): value for key, value in labels.items()}}}


SERVICE = {
    "metadata": {"name": "reviews", "namespace": "shop"},
    "spec": {"clusterIP": "10.96.0.1", "selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 80}]},
}


def test_pods_that_policy_cannot_tell_apart_are_one_entry_with_how_many_are_ready() -> None:
    pods = [
        *(pod(f"a-{number}") for number in range(700)),
        *(pod(f"b-{number}", ready=False) for number in range(5)),
        pod("going", going=True),
        pod("job", phase="Succeeded"),
        pod("bare", sidecar=False),
        pod("native", sidecar=False, native=True),
    ]
    server = istio_cluster(pods=pods, namespaces=[namespace("shop", istio_injection="enabled")])
    with server.access("cluster1") as access:
        live = read_live(access, STACK, placed(route("v1"))).live
    labels = {"app": "reviews", "version": "v1"}
    assert sorted(live.pods, key=lambda p: p.injected) == [
        Pods("shop", labels, injected=False, ready=1, service_account="reviews"),
        Pods("shop", labels, injected=True, ready=701, service_account="reviews"),
    ]
    assert live.namespaces == {"shop": True}


def test_pods_are_asked_for_by_pages_and_only_in_namespaces_that_policy_concerns() -> None:
    names = ["shop", "rating", "gate", "elsewhere"]
    server = istio_cluster(
        pods=[pod(f"a-{n}", name) for name in names for n in range(600)], namespaces=[namespace(name) for name in names]
    )
    policy = placed(
        istio(
            "VirtualService",
            "reviews",
            {
                "hosts": ["reviews", "example.com"],
                "http": [{"route": [{"destination": {"host": "ratings.rating.svc.cluster.local"}}]}],
            },
        ),
        istio("Sidecar", "default", {"egress": [{"hosts": ["gate/door.gate.svc.cluster.local", "~/*"]}]}),
        istio("VirtualService", "gone", {"hosts": ["x.notthere.svc.cluster.local"]}),
    )
    with server.access("cluster1") as access:
        live = read_live(access, STACK, policy).live
    assert {group.namespace for group in live.pods} == {"shop", "rating", "gate"}
    asked = [each for each in server.asked if each.path.endswith("/pods")]
    assert all(each.query["limit"] == "500" for each in asked)
    assert sorted(each.path.split("/")[4] for each in asked) == sorted(["shop", "rating", "gate"] * 2)


def test_own_policy_is_told_from_that_of_others_by_the_label_of_the_stack() -> None:
    mine, theirs, unlabelled = rule("v1", stack=STACK), route("v1", stack="other"), route("v1", name="old")
    server = istio_cluster(destinationrules=[mine], virtualservices=[theirs, unlabelled], services=[SERVICE])
    stub = {"apiVersion": "v1", "kind": "Service", "metadata": SERVICE["metadata"], "spec": SERVICE["spec"]}
    with server.access("cluster1") as access:
        held = read_live(access, STACK, placed(stub))
    assert list(held.own) == [("networking.istio.io", "DestinationRule", "shop", "reviews")]
    assert [(item["kind"], item["metadata"]["name"]) for item in held.live.others] == [
        ("VirtualService", "reviews"),
        ("VirtualService", "old"),
        ("Service", "reviews"),
    ]
    assert held.live.services == (Service("shop", "reviews", (ServicePort("http", 80),), {"app": "reviews"}),)
    assert held.live.kinds == {
        f"networking.istio.io/{kind}" for kind in ("VirtualService", "DestinationRule", "EnvoyFilter")
    }


def test_every_kind_is_listed_once_however_many_versions_of_it_are_served() -> None:
    server = istio_cluster()
    with server.access("cluster1") as access:
        read_live(access, STACK, [])
    paths = [each.path for each in server.asked]
    assert paths.count("/apis/networking.istio.io/v1/virtualservices") == 1
    assert "/apis/networking.istio.io/v1alpha3/virtualservices" not in paths
    assert "/apis/networking.istio.io/v1alpha3/envoyfilters" in paths


def test_a_cluster_that_cannot_be_read_is_left_out_with_its_reason() -> None:
    server = istio_cluster()
    forbidding = istio_cluster()
    del forbidding.answers["/api/v1/services"]
    with server.access("cluster1") as access, forbidding.access("cluster3") as forbidden:
        accesses = {"cluster1": access, "cluster2": cluster("cluster2", "http://127.0.0.1:1"), "cluster3": forbidden}
        started = time.monotonic()
        readings = read_all(accesses, STACK, [])
        assert time.monotonic() - started < 5
    assert set(readings.live) == {"cluster1"}
    assert "127.0.0.1:1 does not answer" in readings.unread["cluster2"]
    assert "answers 404" in readings.unread["cluster3"]


def test_no_cluster_is_nothing_to_read() -> None:
    assert read_all({}, STACK, placed(route("v1"))).held == {}
