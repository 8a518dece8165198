"""What holds where the stack file is silent, how a cluster's keys lie over the mesh's, and the names nobody chooses."""

from typing import Any, TypeVar

from topology.clouds import Cloud, cloud, cloud_names, with_cloud
from topology.gateway import Gateway, Ingress
from topology.model import Cluster, Istio, Mesh

NAMESPACE = "istio-system"
ISTIOD_SELECTOR = "app=istiod"
# Of the namespace istio-system, and of the Services of east-west gateways.
NETWORK_LABEL = "topology.istio.io/network"
BASE_RELEASE, ISTIOD_RELEASE = "istio-base", "istiod"
EAST_WEST_GATEWAY, INGRESS_GATEWAY = "istio-eastwestgateway", "istio-ingressgateway"
# The label of a gateway's pods that says for which Istio they are made: the proxies restart when it changes.
VERSION_LABEL = "app.kubernetes.io/version"
REMOTE_SECRET = "istio-remote-clusters"  # noqa: S105 - its name
READER_PREFIX = "istio-reader-"
VERSION = "1.30.5"
HUB = "docker.io/istio"
CHARTS = "https://istio-release.storage.googleapis.com/charts"
TIMEOUT_SECONDS = 300

AnyGateway = TypeVar("AnyGateway", bound=Gateway)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base``: mappings merge key by key, everything else is replaced (as Helm does)."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def istio_of(mesh: Mesh, cluster: Cluster) -> Istio:
    """The Istio of one cluster, complete: the cluster's keys over the mesh's over the defaults."""
    default = Istio(version=VERSION, hub=HUB, charts=CHARTS, timeout_seconds=TIMEOUT_SECONDS, image_pull_secrets=[])
    return Istio.model_validate(merge(merge(_given(default), _given(mesh.istio)), _given(cluster.istio)))


def east_west_of(mesh: Mesh, cluster: Cluster) -> Gateway:
    """The east-west gateway of one cluster, complete: the cluster's keys over the mesh's over the cloud's preset."""
    return _on_cloud(cluster, Gateway.model_validate(merge(_given(mesh.east_west), _given(cluster.east_west))))


def ingress_of(cluster: Cluster) -> Ingress | None:
    """The ingress gateway of one cluster, over the cloud's preset; None where there is none."""
    return _on_cloud(cluster, cluster.ingress) if cluster.ingress else None


def preset_of(cluster: Cluster) -> Cloud | None:
    """The preset of the cluster's cloud; None where none is named (an unknown one is refused by topology/checks)."""
    return cloud(cluster.cloud) if cluster.cloud is not None and cluster.cloud in cloud_names() else None


def _on_cloud(cluster: Cluster, gateway: AnyGateway) -> AnyGateway:
    preset = preset_of(cluster)
    return with_cloud(preset, gateway) if preset else gateway


def _given(model: Istio | Gateway) -> dict[str, Any]:
    """The keys that were written; null is as good as absent."""
    return model.model_dump(exclude_unset=True, exclude_none=True)
