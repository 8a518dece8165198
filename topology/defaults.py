"""What holds where the stack file is silent, how a cluster's keys lie over the mesh's, and the names nobody chooses."""

from typing import Any

from topology.gateway import Gateway, Ingress
from topology.model import Cluster, Istio, Mesh

NAMESPACE = "istio-system"
BASE_RELEASE, ISTIOD_RELEASE = "istio-base", "istiod"
VERSION = "1.30.5"
HUB = "docker.io/istio"
CHARTS = "https://istio-release.storage.googleapis.com/charts"
TIMEOUT_SECONDS = 300


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
    return Gateway.model_validate(merge(_given(mesh.east_west), _given(cluster.east_west)))


def ingress_of(_mesh: Mesh, cluster: Cluster) -> Ingress | None:
    """The ingress gateway of one cluster, complete; None where there is none."""
    return cluster.ingress


def _given(model: Istio | Gateway) -> dict[str, Any]:
    """The keys that were written; null is as good as absent."""
    return model.model_dump(exclude_unset=True, exclude_none=True)
