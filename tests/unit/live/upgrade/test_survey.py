"""What an upgrade reads from a cluster: versions, CRDs without a release, and proxies with their workloads."""

import base64
import gzip
import json
from typing import Any

from live.client import api_client
from live.takeover.charts import foreign_crds
from live.upgrade.crd_ownership import take_crds
from live.upgrade.installed import seen
from live.upgrade.survey import surveyed
from tests.unit.live.drift.servers import SYSTEM, record
from tests.unit.live.policy.api_server import FakeApiServer
from topology.model import Istio, IstioRevision

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPS = "/apis/apps/v1/namespaces"
NAMESPACES = "/api/v1/namespaces"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
OWNED = {"meta.helm.sh/release-name": "istio-base", "meta.helm.sh/release-namespace": "istio-system"}


def crd(name: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "group": name.partition(".")[2],
            "names": {"kind": "A", "plural": "as"},
            "scope": "Namespaced",
            "versions": [],
        },
    }


IN_CHART = [crd("sidecars.networking.istio.io"), crd("gateways.networking.istio.io")]


def with_values(secret: dict[str, Any], tag: str) -> dict[str, Any]:
    """The record with the value that names the version."""
    packed = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    packed["config"] = {"global": {"tag": tag}}
    secret["data"]["release"] = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(packed).encode()))).decode()
    return secret


def deployment(name: str, image: str = "", **labels: str) -> dict[str, Any]:
    containers = [{"name": "discovery", "image": image}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {"metadata": {"name": name}, "spec": {"replicas": 2, "template": template}}


def cluster(*crds: dict[str, Any]) -> FakeApiServer:
    """Istio 1.22.3 with its CRDs beside the release, and an istiod whose rollout to 1.23 never came to its end."""
    base = record("istio-base", crds=[{"kind": "CustomResourceDefinition", **each} for each in IN_CHART])
    return FakeApiServer(
        {
            f"{SYSTEM}/secrets": [base, with_values(record("istiod"), "1.22.3")],
            CRDS: list(crds),
            NAMESPACES: [],
            WEBHOOKS: [],
            f"{APPS}/istio-system/deployments": [
                deployment("istiod", "hub/pilot:1.23.0"),
                deployment("istio-eastwestgateway", **{"app.kubernetes.io/version": "1.22.3"}),
                deployment("of-somebody-else"),
            ],
        }
    )


def test_the_installed_version_is_the_one_that_became_ready() -> None:
    with cluster().access("cluster1") as access:
        found = seen(access)
    assert found.installed.istiod == "1.22.3"
    assert found.installed.gateways == {"istio-eastwestgateway": "1.22.3"}
    assert found.pods == {"istiod": 2, "istio-eastwestgateway": 2}


def test_without_a_record_of_helm_the_image_says_the_version() -> None:
    server = cluster()
    server.answers[f"{SYSTEM}/secrets"] = []
    server.answers[f"{APPS}/istio-system/deployments"] = [deployment("istiod", "hub/pilot:1.21.0-distroless@sha256:ab")]
    with server.access("cluster1") as access:
        assert seen(access).installed.istiod == "1.21.0"


def test_only_the_charts_own_crds_that_no_release_has_change_hands() -> None:
    server = cluster(
        crd("sidecars.networking.istio.io"),
        crd("gateways.networking.istio.io", {"meta.helm.sh/release-name": "other"}),
        crd("thirdparties.extensions.istio.io"),
        crd("gateways.gateway.networking.k8s.io"),
    )
    with server.access("cluster1") as access:
        names = seen(access).own_crds
        assert names == ("sidecars.networking.istio.io",)
        take_crds(access, names)
    (patch,) = [asked for asked in server.asked if asked.method == "PATCH"]
    assert patch.path == f"{CRDS}/sidecars.networking.istio.io"
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    assert patch.body == {"metadata": {"labels": labels, "annotations": OWNED}}


def test_crds_that_are_the_releases_already_stay_untouched() -> None:
    with cluster(crd("sidecars.networking.istio.io", OWNED)).access("cluster1") as access:
        assert seen(access).own_crds == ()


def pod(name: str, image: str, *, owner: tuple[str, str] | None, **more: Any) -> dict[str, Any]:
    owners = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    labels = {"security.istio.io/tlsMode": "istio", **more.pop("labels", {})}
    metadata = {
        "name": name,
        "namespace": "shop",
        "labels": labels,
        "ownerReferences": owners,
        **more.pop("metadata", {}),
    }
    spec = {"containers": [{"name": "app", "image": "app:1"}, {"name": "istio-proxy", "image": image}]}
    return {"metadata": metadata, "spec": more.pop("spec", spec), "status": {"phase": "Running"}}


def test_workloads_with_other_proxies_are_told_by_what_made_them() -> None:
    server = cluster()
    old, new = "hub/proxyv2:1.22.3", "hub/proxyv2:1.23.0"
    native = {
        "containers": [{"name": "app", "image": "app:1"}],
        "initContainers": [{"name": "istio-proxy", "image": old}],
    }
    server.answers |= {
        "/api/v1/pods": [
            pod("cart-1", old, owner=("ReplicaSet", "cart-abc")),
            pod("cart-2", old, owner=("ReplicaSet", "cart-abc")),
            pod("cart-3", new, owner=("ReplicaSet", "cart-def")),
            pod("db-0", "", owner=("StatefulSet", "db"), spec=native),
            pod("alone", old, owner=None),
            pod("ending", old, owner=None, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            pod(
                "gateway",
                old,
                owner=None,
                labels={"app": "istio-eastwestgateway"},
                metadata={"namespace": "istio-system"},
            ),
        ],
        f"{APPS}/shop/replicasets": [
            {
                "metadata": {
                    "name": name,
                    "namespace": "shop",
                    "ownerReferences": [{"kind": "Deployment", "name": "cart", "controller": True}],
                }
            }
            for name in ("cart-abc", "cart-def")
        ],
        f"{APPS}/shop/deployments/cart": {"spec": {}},
        f"{APPS}/shop/statefulsets/db": {"spec": {"updateStrategy": {"type": "OnDelete"}}},
    }
    with server.access("cluster1") as access:
        found = surveyed(access, Istio(version="1.23.0"))
    assert [(str(each), each.pods, each.versions, bool(each.left)) for each in found.workloads] == [
        ("Deployment shop/cart", 2, ("1.22.3",), False),
        ("Pod shop/alone", 1, ("1.22.3",), True),
        ("StatefulSet shop/db", 1, ("1.22.3",), True),
    ]
    assert found.installed.proxies is not None
    assert found.installed.proxies.versions == {"1.22.3": 4, "1.23.0": 1}
    assert found.crds == 0


def test_an_update_is_not_refused_for_crds_that_it_makes_its_own() -> None:
    server = cluster()
    named = ("sidecars.networking.istio.io", "thirdparties.extensions.istio.io")
    server.answers[CRDS] = {"items": [crd(name) for name in named], "metadata": {}}
    with server.access("cluster1") as access, api_client(access) as client:
        assert [each.name for each in foreign_crds(client)] == ["thirdparties.extensions.istio.io"]


def webhook(tag: str, revision: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": tag, "labels": {"istio.io/tag": tag, "istio.io/rev": revision, **labels}}}


BY_REVISIONS = Istio(
    version="1.24.1",
    revision="1-24-1",
    revisions=[IstioRevision(name="default", version="1.22.3")],
    tags={"prod": "default"},
)


def two_istiods() -> FakeApiServer:
    """Two revisions; shop asks for the old one by a tag, bank for what is the default, left has no label."""
    server = cluster()
    server.answers[f"{SYSTEM}/secrets"].append(with_values(record("istiod-1-24-1"), "1.24.1"))
    server.answers[f"{APPS}/istio-system/deployments"] += [
        deployment("istiod-1-24-1", "hub/pilot:1.24.1"),
        deployment("istio-ingressgateway", **{"app.kubernetes.io/version": "1.24.1", "istio.io/rev": "1-24-1"}),
    ]
    server.answers[WEBHOOKS] = [
        webhook("prod", "default", **{"spanmesh.io/stack": "test"}),
        webhook("by-hand", "1-24-1"),
    ]
    server.answers[NAMESPACES] = [
        {"metadata": {"name": "shop", "labels": {"istio.io/rev": "prod"}}},
        {"metadata": {"name": "bank", "labels": {"istio-injection": "enabled", "istio.io/rev": "prod"}}},
        {"metadata": {"name": "left"}},
    ]
    return server


def test_every_istiod_counts_with_its_revision_and_tags_with_who_made_them() -> None:
    with two_istiods().access("cluster1") as access:
        found = seen(access)
    assert found.installed.revisions == {"default": "1.22.3", "1-24-1": "1.24.1"}
    assert found.installed.injected_by == {"istio-ingressgateway": "1-24-1"}
    assert found.installed.tags == {"prod": "default"}
    assert found.installed.foreign_tags == {"by-hand"}
    assert found.installed.asked == {"shop": "prod", "bank": "default"}
    assert found.pods["istiod-1-24-1"] == 2


def test_proxies_are_behind_only_where_another_istiod_would_inject_them_now() -> None:
    old, new = "hub/proxyv2:1.22.3", "hub/proxyv2:1.24.1"
    server = two_istiods()
    pods = []
    for name, image, revision, where in (
        ("cart", old, "default", "shop"),
        ("till", old, "default", "bank"),
        ("desk", new, "1-24-1", "bank"),
        ("door", new, "1-24-1", "left"),
    ):
        each = pod(name, image, owner=None)
        each["metadata"] |= {"namespace": where, "annotations": {"istio.io/rev": revision}}
        pods.append(each)
    server.answers["/api/v1/pods"] = pods
    with server.access("cluster1") as access:
        found = surveyed(access, BY_REVISIONS)
    assert [(each.namespace, each.name, each.revisions) for each in found.workloads] == [("bank", "till", ("default",))]
    assert found.installed.proxies is not None
    assert found.installed.proxies.of("default").where == ["bank", "shop"]
    assert found.installed.proxies.of("1-24-1").count == 2
