"""Remote Secrets of another installer, by which istiods read clusters that the mesh's own remote Secret gives as well.

istiod follows the Secret that it saw first, and takes the cluster from another one only when that is written anew
(istio: pkg/kube/multicluster/secretcontroller.go; istio#36365).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.takeover.held import MANAGER
from topology.defaults import NAMESPACE, REMOTE_SECRET

SELECTOR = "istio/multiCluster=true"
REFRESHED = "spanmesh.io/remote-secret-refreshed"


@dataclass(frozen=True)
class OtherRemoteSecret:
    """A remote Secret in istio-system that is not the mesh's.

    Attributes:
        name: its name.
        clusters: the clusters that it gives.
        superseded: whether the mesh's own gives all of them.
    """

    name: str
    clusters: tuple[str, ...]
    superseded: bool


def other_remote_secrets(access: ClusterAccess) -> list[OtherRemoteSecret]:
    """The remote Secrets of a cluster, but the mesh's own."""
    with api_client(access) as api:
        found = client.CoreV1Api(api).list_namespaced_secret(
            NAMESPACE, label_selector=SELECTOR, _request_timeout=TIMEOUT
        )
    held = {secret.metadata.name: tuple(sorted(secret.data or ())) for secret in found.items}
    own = set(held.pop(REMOTE_SECRET, ()))
    return [
        OtherRemoteSecret(name, clusters, bool(own) and own >= set(clusters)) for name, clusters in sorted(held.items())
    ]


def take_out_remote_secrets(access: ClusterAccess, secrets: Sequence[OtherRemoteSecret]) -> None:
    """Delete them, and write the mesh's own anew, so that istiods go on by that one at once.

    Args:
        access: the cluster whose istiods read.
        secrets: those that are superseded.
    """
    if not secrets:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        for each in secrets:
            core.delete_namespaced_secret(each.name, NAMESPACE, _request_timeout=TIMEOUT)
        core.patch_namespaced_secret(
            REMOTE_SECRET,
            NAMESPACE,
            {"metadata": {"annotations": {REFRESHED: now}}},
            field_manager=MANAGER,
            _request_timeout=TIMEOUT,
        )
