"""A gateway of another installer in the place where the mesh's own is to be: taken over with its address and its pods.

A Deployment's selector cannot be changed, so istioctl's and the charts' give way: deleted without their pods, which go
on until the mesh's Deployment, whose selector chooses them too, has its own ready and ends them one by one
(https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#deleting-just-a-replicaset). Service and address
stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import SERVICES, Api, Kind
from live.takeover.held import MANAGER, is_of_another, is_of_pulumi, read, released
from topology import Cluster
from topology.defaults import EAST_WEST_GATEWAY, INGRESS_GATEWAY, NAMESPACE

DEPLOYMENTS = Kind("apps", "v1", "Deployment", "deployments")
AUTOSCALERS = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
BUDGETS = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
ACCOUNTS = Kind("", "v1", "ServiceAccount", "serviceaccounts")
SECRETS = Kind("", "v1", "Secret", "secrets")
GATEWAYS = Kind("networking.istio.io", "v1", "Gateway", "gateways")
_RBAC = ("rbac.authorization.k8s.io", "v1")
ROLES, ROLE_BINDINGS = Kind(*_RBAC, "Role", "roles"), Kind(*_RBAC, "RoleBinding", "rolebindings")
CROSS_NETWORK = "cross-network-gateway"
CACERTS = "cacerts"
# Istio's sample of an east-west gateway leads from the internet to istiod by these; only other installations need it.
PORTS_OF_ISTIOD = (15012, 15017)
RELEASE = "meta.helm.sh/release-name"
# The mesh's Deployment adopts the pods that carry these labels.
LABELS = {
    EAST_WEST_GATEWAY: {"app": EAST_WEST_GATEWAY, "istio": "eastwestgateway"},
    INGRESS_GATEWAY: {"app": INGRESS_GATEWAY, "istio": "ingressgateway"},
}
ANEW = "goes; `pulumi up` makes it anew"
PODS_STAY = "goes; its pods serve until those of `pulumi up` are ready"
OTHER_LABELS = "goes; its pods, of other labels, get no requests after `pulumi up`: delete their ReplicaSet then"
KEPT = "stays as it is, and becomes the stack's"


@dataclass(frozen=True)
class InTheWay:
    """An object of another installer that stands where the mesh's own is to be.

    Attributes:
        kind: its kind.
        name: its name, in istio-system.
        becomes: what becomes of it, for people.
        stays: whether it stays, without its managers' claim on its fields.
        live: the object.
    """

    kind: Kind
    name: str
    becomes: str
    stays: bool
    live: Mapping[str, Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind.kind} {NAMESPACE}/{self.name}"

    @property
    def helm_release(self) -> str | None:
        """The Helm release of which it is."""
        return (self.live["metadata"].get("annotations") or {}).get(RELEASE)


def gateways_of(cluster: Cluster) -> list[str]:
    """The mesh's gateways in a cluster, by name."""
    return [EAST_WEST_GATEWAY, *([INGRESS_GATEWAY] if cluster.ingress else [])]


def gateways_in_the_way(access: ClusterAccess, workloads: Sequence[str]) -> list[InTheWay]:
    """What another installer has made of the mesh's gateways, by name.

    Args:
        access: the cluster.
        workloads: the mesh's gateways there.
    """
    with api_client(access) as opened:
        api = Api(opened)
        return [each for workload in workloads for each in _of_gateway(api, workload)]


def shared_in_the_way(access: ClusterAccess) -> list[InTheWay]:
    """What another installer applies and the mesh has too: `pulumi up` takes it up, and could not change it later."""
    with api_client(access) as opened:
        api = Api(opened)
        shared = ((GATEWAYS, CROSS_NETWORK), (SECRETS, CACERTS))
        found = [(kind, name, _of_another(api, kind, name)) for kind, name in shared]
    return [InTheWay(kind, name, KEPT, True, live) for kind, name, live in found if live]


def take_over_gateways(access: ClusterAccess, objects: Sequence[InTheWay]) -> None:
    """Do with each object what it says, the Deployments last; run again, it goes on with what is left.

    Args:
        access: the cluster.
        objects: as :func:`gateways_in_the_way` and :func:`shared_in_the_way` found them.
    """
    with api_client(access) as opened:
        api = Api(opened)
        for each in sorted(objects, key=lambda each: each.kind == DEPLOYMENTS):
            if each.stays:
                path = each.kind.path(NAMESPACE, each.name)
                body = released(each.live, *_without_ports_of_istiod(each))
                api.patch(path, "application/json-patch+json", body, {"fieldManager": MANAGER})
            else:
                _delete(opened, each)


def former_objects(access: ClusterAccess, workloads: Sequence[str]) -> list[str]:
    """What istioctl made beside gateways that are the mesh's now, as `kubectl delete` names it.

    Args:
        access: the cluster.
        workloads: the mesh's gateways there.
    """
    beside = ((ACCOUNTS, "service-account"), (ROLES, "sds"), (ROLE_BINDINGS, "sds"))
    left: list[str] = []
    with api_client(access) as opened:
        api = Api(opened)
        for workload in workloads:
            deployment = read(api, DEPLOYMENTS, NAMESPACE, workload)
            if deployment is not None and is_of_pulumi(deployment):
                named = [(kind, f"{workload}-{suffix}") for kind, suffix in beside]
                left += [f"{kind.kind.lower()}/{name}" for kind, name in named if read(api, kind, NAMESPACE, name)]
    return left


def _of_gateway(api: Api, workload: str) -> Iterator[InTheWay]:
    if service := _of_another(api, SERVICES, workload):
        leading = _ports_of_istiod(workload, service)
        ports = " and ".join(str(service["spec"]["ports"][place]["port"]) for place in leading)
        becomes = f"{KEPT}, but for ports {ports}, which lead to istiod" if leading else KEPT
        yield InTheWay(SERVICES, workload, becomes, True, service)
    if account := _of_another(api, ACCOUNTS, workload):
        yield InTheWay(ACCOUNTS, workload, KEPT, True, account)
    for kind in (AUTOSCALERS, BUDGETS):
        if live := _of_another(api, kind, workload):
            yield InTheWay(kind, workload, ANEW, False, live)
    if deployment := _of_another(api, DEPLOYMENTS, workload):
        labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
        becomes = PODS_STAY if LABELS[workload].items() <= labels.items() else OTHER_LABELS
        yield InTheWay(DEPLOYMENTS, workload, becomes, False, deployment)


def _of_another(api: Api, kind: Kind, name: str) -> dict[str, Any] | None:
    live = read(api, kind, NAMESPACE, name)
    return live if live and is_of_another(live) else None


def _ports_of_istiod(workload: str, service: Mapping[str, Any]) -> list[int]:
    """Their places among the Service's ports."""
    if workload != EAST_WEST_GATEWAY:
        return []
    ports = service["spec"].get("ports") or ()
    return [place for place, port in enumerate(ports) if port["port"] in PORTS_OF_ISTIOD]


def _without_ports_of_istiod(each: InTheWay) -> Iterator[dict[str, Any]]:
    if each.kind != SERVICES:
        return
    # From the last one, so that places stay true.
    for place in reversed(_ports_of_istiod(each.name, each.live)):
        path = f"/spec/ports/{place}"
        yield {"op": "test", "path": f"{path}/port", "value": each.live["spec"]["ports"][place]["port"]}
        yield {"op": "remove", "path": path}


def _delete(api: client.ApiClient, each: InTheWay) -> None:
    deletes = {
        DEPLOYMENTS: client.AppsV1Api(api).delete_namespaced_deployment,
        AUTOSCALERS: client.AutoscalingV2Api(api).delete_namespaced_horizontal_pod_autoscaler,
        BUDGETS: client.PolicyV1Api(api).delete_namespaced_pod_disruption_budget,
    }
    only_this = client.V1DeleteOptions(
        propagation_policy="Orphan", preconditions=client.V1Preconditions(uid=each.live["metadata"]["uid"])
    )
    deletes[each.kind](each.name, NAMESPACE, body=only_this, _request_timeout=TIMEOUT)
