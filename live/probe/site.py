"""The probe in one cluster: made, waited for, removed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pods.readiness import why_not_ready
from live.probe import objects
from live.probe.objects import NAMESPACE, OUTSIDE, PROBE, Owner
from live.reachability import UnreachableError, explained
from topology import Mesh

POLL_SECONDS = 0.2
REMOVED_SECONDS = 60
NOT_FOUND, CONFLICT = 404, 409
FORBIDDEN_CURE = "Grant what docs/verification-rights.yaml lists for the probe"
REMOVE = f"kubectl delete namespace {NAMESPACE}"


class ProbeError(Exception):
    """The probe cannot be made in a cluster, or not removed; the message names cluster, cause and cure."""


@dataclass(frozen=True)
class Site:
    """The probe as it stands in one cluster.

    Attributes:
        access: the cluster.
        address: IP address of the pod of the mesh.
        tunnels: by port of the pod outside the mesh, the other cluster and the gateway's address that it leads to.
    """

    access: ClusterAccess
    address: str
    tunnels: Mapping[int, tuple[str, str]]

    @property
    def cluster(self) -> str:
        """Istio's name of the cluster."""
        return self.access.name


def clear(access: ClusterAccess, over: Event) -> None:
    """See that the probe can be made in a cluster, and remove what a killed run may have left.

    Args:
        access: the cluster.
        over: set when nothing is wanted any more.

    Raises:
        ProbeError: a namespace of this name is another's, or the API server does not answer or refuses.
    """
    with _explained(access, "looking for the probe"), api_client(access) as api:
        _remove_left_over(client.CoreV1Api(api), access, over)


def make(
    mesh: Mesh,
    access: ClusterAccess,
    owner: Owner,
    gateways: Callable[[], Mapping[str, Sequence[str]]],
    over: Event,
) -> dict[int, tuple[str, str]]:
    """Make the probe's objects; its place has to be clear.

    Args:
        mesh: the declared mesh.
        access: the cluster.
        owner: who makes it.
        gateways: by other cluster, the addresses of its east-west gateway; asked when they are needed.
        over: set when nothing is wanted any more.

    Returns:
        By port of the pod outside the mesh, the other cluster and the gateway's address that it leads to.

    Raises:
        ProbeError: the API server does not answer, or refuses something.
    """
    cluster = mesh.cluster(access.name)
    with _explained(access, "making the probe"), api_client(access) as api:
        core = client.CoreV1Api(api)
        _stop_if(over)
        core.create_namespace(objects.namespace(owner, _injectors(api)), _request_timeout=TIMEOUT)
        core.create_namespaced_service_account(NAMESPACE, objects.account(), _request_timeout=TIMEOUT)
        service = core.create_namespaced_service(NAMESPACE, objects.service(), _request_timeout=TIMEOUT)
        client.CustomObjectsApi(api).create_namespaced_custom_object(
            "networking.istio.io", "v1", NAMESPACE, "sidecars", objects.sidecar(), _request_timeout=TIMEOUT
        )
        config, tunnels = objects.config(mesh, cluster, service.spec.cluster_ip, gateways())
        core.create_namespaced_config_map(NAMESPACE, config, _request_timeout=TIMEOUT)
        for pod in objects.pods(mesh, cluster):
            _stop_if(over)
            core.create_namespaced_pod(NAMESPACE, pod, _request_timeout=TIMEOUT)
    return tunnels


def wait_ready(access: ClusterAccess, tunnels: Mapping[int, tuple[str, str]], seconds: float, over: Event) -> Site:
    """The probe once its pods are ready.

    Args:
        access: the cluster.
        tunnels: those of the pod outside the mesh.
        seconds: how long to wait.
        over: set when nothing is wanted any more.

    Raises:
        ProbeError: they are not ready in time, with what Kubernetes says of it.
    """
    deadline = time.monotonic() + seconds
    with _explained(access, "waiting for the probe"), api_client(access) as api:
        core = client.CoreV1Api(api)
        while True:
            _stop_if(over)
            pods = {p.metadata.name: p for p in core.list_namespaced_pod(NAMESPACE, _request_timeout=TIMEOUT).items}
            if {PROBE, OUTSIDE} <= pods.keys() and all(_ready(pod) for pod in pods.values()):
                if not any(status.name == "istio-proxy" for status in _statuses(pods[PROBE])):
                    raise ProbeError(
                        f"cluster {access.name}: the probe's pod got no sidecar: istiod's injection does not select "
                        f"namespace {NAMESPACE}. `kubectl get mutatingwebhookconfiguration` shows what it selects"
                    )
                return Site(access, pods[PROBE].status.pod_ip, tunnels)
            if time.monotonic() > deadline:
                break
            over.wait(POLL_SECONDS)
    reasons = why_not_ready(access, NAMESPACE) or ["its pods are not ready, and Kubernetes says nothing of why"]
    raise ProbeError(f"cluster {access.name}: the probe does not start within {seconds:.0f} s: {'; '.join(reasons)}")


def delete(access: ClusterAccess, owner: Owner) -> None:
    """Begin to remove the probe; a namespace that this run did not make is left alone.

    Args:
        access: the cluster.
        owner: who made it.

    Raises:
        ProbeError: the API server does not answer, or refuses.
    """
    with _explained(access, "removing the probe"), api_client(access) as api:
        core = client.CoreV1Api(api)
        if (found := _found(core)) is not None and Owner.of(found) == owner:
            _delete(core)


def wait_removed(access: ClusterAccess, owner: Owner, seconds: float = REMOVED_SECONDS) -> None:
    """Return once the probe's namespace is gone.

    Args:
        access: the cluster.
        owner: who made it.
        seconds: how long to wait.

    Raises:
        ProbeError: it is still there.
    """
    deadline = time.monotonic() + seconds
    with _explained(access, "removing the probe"), api_client(access) as api:
        core = client.CoreV1Api(api)
        while (found := _found(core)) is not None and Owner.of(found) == owner:
            if time.monotonic() > deadline:
                raise ProbeError(_still_there(access, found, seconds))
            time.sleep(POLL_SECONDS)


def _remove_left_over(core: client.CoreV1Api, access: ClusterAccess, over: Event) -> None:
    found = _found(core)
    if found is None:
        return
    owner = Owner.of(found)
    if owner is None:
        raise ProbeError(
            f"cluster {access.name}: namespace {NAMESPACE} is there and was not made by `spanmesh verify` (it lacks "
            "its label or its annotation): it is left as it is. Remove or rename it, so that the probe has its place"
        )
    if not owner.gone and found.metadata.deletion_timestamp is None:
        raise ProbeError(
            f"cluster {access.name}: another run uses the probe: process {owner.process} on {owner.host}, until "
            f"{owner.until:%H:%M:%S} UTC at the latest. Wait for it; if it is gone, `{REMOVE}`"
        )
    _delete(core)
    deadline = time.monotonic() + REMOVED_SECONDS
    while (found := _found(core)) is not None:
        _stop_if(over)
        if time.monotonic() > deadline:
            raise ProbeError(_still_there(access, found, REMOVED_SECONDS))
        over.wait(POLL_SECONDS)


def _still_there(access: ClusterAccess, namespace: Any, seconds: float) -> str:
    said = [c.message for c in namespace.status.conditions or () if c.status == "True" and c.message]
    return (
        f"cluster {access.name}: namespace {NAMESPACE} is still there {seconds:.0f} s after it was deleted: "
        f"{'; '.join(said) or 'Kubernetes says nothing of why'}. See `kubectl get namespace {NAMESPACE} -o yaml`"
    )


def _found(core: client.CoreV1Api) -> Any:
    try:
        return core.read_namespace(NAMESPACE, _request_timeout=TIMEOUT)
    except ApiException as error:
        if error.status == NOT_FOUND:
            return None
        raise


def _delete(core: client.CoreV1Api) -> None:
    # Pods first and at once: the namespace would wait for each, and looks seldom.
    core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0, _request_timeout=TIMEOUT)
    try:
        core.delete_namespace(NAMESPACE, _request_timeout=TIMEOUT)
    except ApiException as error:
        # It is gone, or being deleted already.
        if error.status not in (NOT_FOUND, CONFLICT):
            raise


def _injectors(api: client.ApiClient) -> list[Any]:
    admission = client.AdmissionregistrationV1Api(api)
    try:
        found = admission.list_mutating_webhook_configuration(_request_timeout=TIMEOUT)
    except ApiException:
        return []
    return list(api.sanitize_for_serialization(found)["items"])


def _ready(pod: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())


def _statuses(pod: Any) -> list[Any]:
    # A native sidecar is an init container that goes on.
    return [*(pod.status.container_statuses or ()), *(pod.status.init_container_statuses or ())]


def _stop_if(over: Event) -> None:
    if over.is_set():
        raise ProbeError("it was broken off")


@contextmanager
def _explained(access: ClusterAccess, what: str) -> Iterator[None]:
    try:
        with explained(access, what):
            yield
    except UnreachableError as error:
        cure = FORBIDDEN_CURE if error.status == 403 else error.cure
        raise ProbeError(f"cluster {access.name}: {error.cause}. {cure}") from error
