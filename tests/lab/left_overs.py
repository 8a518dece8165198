"""What a mesh leaves in a cluster: everything that `pulumi destroy` has to take away."""

from kubernetes import client

from live.client import api_client
from live.kubeconfig import ClusterAccess


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
