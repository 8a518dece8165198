"""`pulumi destroy` takes everything of the mesh back, and a second `pulumi up` works; so does the article's Istio."""

import pytest
from kubernetes import client

from cli.demo import silent_cells
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.traffic import traffic_matrix
from tests.lab.istioctl import Istioctl
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab


def left_in(access: ClusterAccess) -> dict[str, list[str]]:
    """What of Istio stands in a cluster, by kind."""
    with api_client(access) as api:
        core, webhooks = client.CoreV1Api(api), client.AdmissionregistrationV1Api(api)
        custom = client.CustomObjectsApi(api)
        crds = client.ApiextensionsV1Api(api).list_custom_resource_definition().items
        found = {
            "namespaces": core.list_namespace().items,
            "webhooks": [
                *webhooks.list_mutating_webhook_configuration().items,
                *webhooks.list_validating_webhook_configuration().items,
            ],
            "load balancers": [
                s for s in core.list_service_for_all_namespaces().items if s.spec.type == "LoadBalancer"
            ],
            "cluster roles": client.RbacAuthorizationV1Api(api).list_cluster_role().items,
        }
        objects = [
            item["metadata"]["name"]
            for crd in crds
            for item in custom.list_cluster_custom_object(
                crd.spec.group, crd.spec.versions[0].name, crd.spec.names.plural
            )["items"]
        ]
    names = {kind: [item.metadata.name for item in items] for kind, items in found.items()}
    names["namespaces"] = [name for name in names["namespaces"] if name in ("istio-system", "sample")]
    names["cluster roles"] = [name for name in names["cluster roles"] if "istio" in name]
    return {**names, "custom objects": objects}


def test_destroy_leaves_nothing_and_a_second_up_works(mesh: LabStack) -> None:
    assert left_in(mesh.accesses["cluster1"])["namespaces"] == ["istio-system", "sample"]
    mesh.destroy()
    for cluster in ("cluster1", "cluster2"):
        assert left_in(mesh.accesses[cluster]) == {
            "namespaces": [],
            "webhooks": [],
            "load balancers": [],
            "custom objects": [],
            "cluster roles": [],
        }
    mesh.up()
    rows = traffic_matrix(mesh.accesses, "sample", {}, 20)
    assert silent_cells(mesh.load().mesh, rows) == []


def test_the_articles_istio_works_by_changing_one_value(mesh: LabStack, istioctl_1_22: Istioctl) -> None:
    mesh.destroy()
    mesh.mesh["istio"]["version"] = "1.22.3"
    mesh.write()
    try:
        mesh.up()
        outputs = mesh.pulumi.outputs()["clusters"]
        assert {c["istioVersion"] for c in outputs.values()} == {"1.22.3"}
        gateways = {name: c["eastWest"]["addresses"] for name, c in outputs.items()}
        rows = traffic_matrix(mesh.accesses, "sample", gateways, 20)
        assert silent_cells(mesh.load().mesh, rows) == []
        assert all(hop.gateway for hop in rows["cluster1"].cells["cluster2"].hops)
        for cluster in ("cluster1", "cluster2"):
            assert set(istioctl_1_22.remote_clusters(cluster).values()) == {"synced"}
            assert set().union(*istioctl_1_22.proxy_status(cluster).values()) == {"SYNCED"}
        assert mesh.attempt("preview", "--expect-no-changes").returncode == 0
    finally:
        mesh.destroy()
        mesh.mesh["istio"]["version"] = "1.32-dev"
        mesh.write()
