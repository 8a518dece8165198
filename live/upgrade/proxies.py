"""The proxies of a cluster's workloads, and the workloads that made their pods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.pods.proxy_container import proxy_container
from live.policy.api import PODS, Api, Kind
from live.reachability import explained
from live.upgrade.image import tag
from topology.defaults import EAST_WEST_GATEWAY, INGRESS_GATEWAY, NAMESPACE
from topology.revisions import DEFAULT

REPLICA_SETS = Kind("apps", "v1", "ReplicaSet", "replicasets")
# Labels that the injector writes: onto every pod that it gives a proxy, and onto gateways too.
INJECTED, OF_EVERY_TEMPLATE = "security.istio.io/tlsMode=istio", "service.istio.io/canonical-name"
# The annotation by which it says its revision.
REVISION = "istio.io/rev"
ENDED = {"Succeeded", "Failed"}


@dataclass(frozen=True, order=True)
class Workload:
    """What made a pod.

    Attributes:
        namespace: its namespace.
        kind: its kind: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or another controller's; Pod for a pod
            that nothing would make anew.
        name: its name.
    """

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Proxy:
    """One proxy beside a workload, or a gateway that is not the mesh's own.

    Attributes:
        pod: name of its pod.
        workload: what made the pod.
        version: its Istio version by its image; empty where that has no tag.
        revision: the one that has injected it.
    """

    pod: str
    workload: Workload
    version: str
    revision: str = DEFAULT

    @property
    def namespace(self) -> str:
        """Namespace of its pod."""
        return self.workload.namespace


def running_proxies(access: ClusterAccess) -> list[Proxy]:
    """Every proxy that an injector has made; those of the mesh's own gateways are not among them.

    Args:
        access: the cluster.

    Raises:
        UnreachableError: it does not answer.
    """
    with explained(access, "reading the pods of all namespaces"), api_client(access) as client:
        api = Api(client)
        # Gateways have the second one only.
        found = {
            (pod["metadata"]["namespace"], pod["metadata"]["name"]): pod
            for selector in (INJECTED, OF_EVERY_TEMPLATE)
            for pod in api.list(PODS, selector=selector)
        }
        pods = [pod for pod in found.values() if not _ends(pod) and not _own_gateway(pod)]
        owners = {
            (item["metadata"]["namespace"], item["metadata"]["name"]): _controller(item)
            for namespace in sorted({p["metadata"]["namespace"] for p in pods if _made_by(p, "ReplicaSet")})
            for item in api.list(REPLICA_SETS, namespace)
        }
    return [
        Proxy(
            pod["metadata"]["name"],
            _workload(pod, owners),
            version,
            (pod["metadata"].get("annotations") or {}).get(REVISION) or DEFAULT,
        )
        for pod in pods
        if (version := _version(pod)) is not None
    ]


def _ends(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"] or (pod.get("status") or {}).get("phase") in ENDED


def _own_gateway(pod: Mapping[str, Any]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return pod["metadata"]["namespace"] == NAMESPACE and labels.get("app") in (EAST_WEST_GATEWAY, INGRESS_GATEWAY)


def _version(pod: Mapping[str, Any]) -> str | None:
    """None: it has no proxy after all."""
    container = proxy_container(pod)
    return tag(container["image"]) if container else None


def _controller(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = item["metadata"].get("ownerReferences") or []
    return next((each for each in owners if each.get("controller")), None)


def _made_by(pod: Mapping[str, Any], kind: str) -> bool:
    owner = _controller(pod)
    return owner is not None and owner["kind"] == kind


def _workload(pod: Mapping[str, Any], owners: Mapping[tuple[str, str], Mapping[str, Any] | None]) -> Workload:
    namespace = pod["metadata"]["namespace"]
    owner = _controller(pod)
    if owner is None:
        return Workload(namespace, "Pod", pod["metadata"]["name"])
    above = owners.get((namespace, owner["name"])) if owner["kind"] == "ReplicaSet" else None
    made = above or owner
    return Workload(namespace, str(made["kind"]), str(made["name"]))
