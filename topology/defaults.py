"""What holds for Istio where the stack file is silent, and the names that it does not choose."""

from typing import Any

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

    def pick(attribute: str, default: Any) -> Any:
        for level in (cluster.istio, mesh.istio):
            if (value := getattr(level, attribute)) is not None:
                return value
        return default

    return Istio(
        version=pick("version", VERSION),
        hub=pick("hub", HUB),
        charts=pick("charts", CHARTS),
        timeout_seconds=pick("timeout_seconds", TIMEOUT_SECONDS),
        values=merge(mesh.istio.values, cluster.istio.values),
    )
