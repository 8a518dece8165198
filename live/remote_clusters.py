"""Which clusters the istiods of a cluster read, as they say themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pod_exec import pod_exec
from live.reachability import UnreachableError, cluster_uid
from topology.defaults import NAMESPACE, REMOTE_SECRET

SYNCED = "synced"
# What `istioctl remote-clusters` asks for.
COMMAND = ["pilot-discovery", "request", "GET", "/debug/clusterz"]
EXEC_SECONDS = 10


@dataclass(frozen=True)
class Istiod:
    """What one istiod says.

    Attributes:
        pod: its pod.
        remotes: by Istio's name of a cluster that it reads by the mesh's remote Secret, istiod's word for how far it
            is: ``synced``, ``syncing``, ``timeout``, ``closed``. What other remote Secrets add is not the mesh's.
    """

    pod: str
    remotes: Mapping[str, str]


def istiods(access: ClusterAccess) -> list[Istiod]:
    """What each ready istiod of one cluster says; empty where none runs.

    Raises:
        UnreachableError: the cluster, or an istiod, does not answer.
    """
    cluster_uid(access)
    with api_client(access) as api:
        pods = client.CoreV1Api(api).list_namespaced_pod(
            NAMESPACE, label_selector="app=istiod", _request_timeout=TIMEOUT
        )
    ready = [
        pod.metadata.name
        for pod in pods.items
        if pod.metadata.deletion_timestamp is None
        and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
    ]
    return [Istiod(pod, _remotes(access, pod)) for pod in ready]


def _remotes(access: ClusterAccess, pod: str) -> dict[str, str]:
    text = pod_exec(access, pod, NAMESPACE, "discovery", COMMAND, EXEC_SECONDS)
    try:
        clusters = json.loads(text)
        secret = f"{NAMESPACE}/{REMOTE_SECRET}"
        return {c["id"]: c["syncStatus"] for c in clusters if c["secretName"] == secret}
    except (ValueError, LookupError, TypeError) as error:
        cause = f"istiod {pod} does not say which clusters it reads: `{' '.join(COMMAND)}` printed {text[:200]!r}"
        raise UnreachableError(access.name, cause, "Look at its log: kubectl -n istio-system logs " + pod) from error


def seconds_since_written(access: ClusterAccess) -> float | None:
    """How old the remote Secret's last change is, by the clock of its API server; None where there is no Secret."""
    with api_client(access) as api:
        found, _, headers = client.CoreV1Api(api).list_namespaced_secret_with_http_info(
            NAMESPACE, field_selector=f"metadata.name={REMOTE_SECRET}", _request_timeout=TIMEOUT
        )
    times = [field.time for secret in found.items for field in secret.metadata.managed_fields or [] if field.time]
    if not times:
        return None
    return float((parsedate_to_datetime(headers["Date"]) - max(times)).total_seconds())
