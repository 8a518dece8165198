"""What istiod was told of its place in the mesh."""

from typing import Any

import yaml
from kubernetes import client

from health.observed import IstiodSettings
from live.client import TIMEOUT
from live.observed.asked import Asked
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE, NETWORK_LABEL

DEFAULT_REVISION = "default"


def read(asked: Asked) -> IstiodSettings | None:
    """The Deployment of istiod, the mesh's settings that it uses, and the label of its namespace.

    Of several revisions, all are made by one program from the same values: the first one's settings are everybody's.
    """
    apps = client.AppsV1Api(asked.api)
    found = apps.list_namespaced_deployment(NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT).items
    if not found:
        return None
    deployment = found[0]
    env = _env(deployment)
    mesh = _mesh_config(asked, env.get("REVISION", DEFAULT_REVISION))
    namespace = asked.core.read_namespace(NAMESPACE, _request_timeout=TIMEOUT)
    return IstiodSettings(
        # What istiod takes where it is told nothing (istio: pkg/config/constants).
        cluster=env.get("CLUSTER_ID", "Kubernetes"),
        network=(namespace.metadata.labels or {}).get(NETWORK_LABEL),
        mesh_id=str((mesh.get("defaultConfig") or {}).get("meshId") or ""),
        trust_domain=str(mesh.get("trustDomain") or "cluster.local"),
        replicas=sum(each.spec.replicas for each in found),
    )


def _env(deployment: Any) -> dict[str, str]:
    return {
        each.name: each.value or ""
        for container in deployment.spec.template.spec.containers
        if container.name == "discovery"
        for each in container.env or ()
    }


def _mesh_config(asked: Asked, revision: str) -> dict[str, Any]:
    name = "istio" if revision == DEFAULT_REVISION else f"istio-{revision}"
    held = asked.core.read_namespaced_config_map(name, NAMESPACE, _request_timeout=TIMEOUT)
    mesh = yaml.safe_load((held.data or {}).get("mesh") or "{}")
    return mesh if isinstance(mesh, dict) else {}
