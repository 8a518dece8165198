"""Which clusters the istiods of a cluster read, as they say themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from kubernetes import client

from health.observed import RemoteCluster
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pods.port import ISTIOD_DEBUG, PodHttp, PodPortError, pod_http
from live.pods.readiness import is_ready
from live.reachability import UnreachableError, cluster_uid
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE, REMOTE_SECRET

SYNCED = "synced"
# istiod trusts what comes from its own pod, and asks for no token there (istio: pilot/pkg/xds/debug.go).
# What `istioctl remote-clusters` asks for.
CLUSTERZ = "/debug/clusterz"


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
            NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT
        )
    ready = [pod.metadata.name for pod in pods.items if pod.metadata.deletion_timestamp is None and is_ready(pod)]
    return [Istiod(pod, _remotes(access, pod)) for pod in ready]


def clusterz(http: PodHttp) -> tuple[RemoteCluster, ...]:
    """An istiod's own cluster and those that it reads, as it says.

    Args:
        http: its port :data:`ISTIOD_DEBUG`.

    Raises:
        PodPortError: it does not answer, or not by what Istio documents.
    """
    said = http.json(CLUSTERZ)
    try:
        return tuple(RemoteCluster(c["id"], c["secretName"], c["syncStatus"]) for c in said or ())
    except (LookupError, TypeError) as error:
        raise PodPortError(f"an istiod answers {CLUSTERZ} by what is no list of clusters: {str(said)[:200]}") from error


def _remotes(access: ClusterAccess, pod: str) -> dict[str, str]:
    try:
        with pod_http(access, pod, NAMESPACE, ISTIOD_DEBUG) as http:
            found = clusterz(http)
    except PodPortError as error:
        cause = f"istiod {pod} does not say which clusters it reads: {error}"
        raise UnreachableError(access.name, cause, "Look at its log: kubectl -n istio-system logs " + pod) from error
    return {each.name: each.status for each in found if each.secret == f"{NAMESPACE}/{REMOTE_SECRET}"}


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
