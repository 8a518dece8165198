"""Rollouts of workloads: begun as `kubectl rollout restart` does, and watched as `kubectl rollout status` does."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import Api, Kind
from live.reachability import explained
from live.upgrade.proxies import Workload

KINDS = {
    "Deployment": Kind("apps", "v1", "Deployment", "deployments"),
    "StatefulSet": Kind("apps", "v1", "StatefulSet", "statefulsets"),
    "DaemonSet": Kind("apps", "v1", "DaemonSet", "daemonsets"),
}
RESTARTED = "kubectl.kubernetes.io/restartedAt"
PAUSE_SECONDS = 0.5
Object = Mapping[str, Any]


def read(access: ClusterAccess, workload: Workload) -> Object:
    """A workload as it is.

    Raises:
        UnreachableError: the cluster does not answer, or has it no more.
    """
    with explained(access, f"reading {workload}"), api_client(access) as client:
        found: Object = Api(client).get(KINDS[workload.kind].path(workload.namespace, workload.name))
    return found


def why_not_restartable(workload: Workload, found: Object | None) -> str:
    """Why a restart of a workload would do nothing, or cannot be made; empty where it can.

    Args:
        workload: the workload.
        found: as it is; None where it is of no kind in :data:`KINDS`.
    """
    if workload.kind == "Pod":
        return "nothing would make the pod anew"
    if found is None:
        return f"how a {workload.kind} restarts is its controller's own"
    spec = found["spec"]
    if spec.get("paused"):
        return "its rollout is paused"
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return "its strategy is OnDelete: its pods are to be deleted by hand"
    return ""


def restart(access: ClusterAccess, workload: Workload) -> None:
    """Begin a rollout of new pods with the same content.

    Raises:
        UnreachableError: the cluster does not do it.
    """
    annotations = {RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    path = KINDS[workload.kind].path(workload.namespace, workload.name)
    with explained(access, f"restarting {workload}"), api_client(access) as client:
        Api(client).patch(path, "application/merge-patch+json", body, {"fieldManager": "spanmesh"})


def unfinished(found: Object) -> str:
    """What a rollout still lacks; empty: every pod is new and available, and no old one is left but those that end.

    Args:
        found: a Deployment, StatefulSet or DaemonSet as it is.
    """
    status = found.get("status") or {}
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return "its controller has not seen the change yet"
    if found["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        there = wanted
    else:
        wanted = found["spec"].get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        there = status.get("replicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if there > updated:
        return f"{there - updated} old pods are still there"
    if available < updated:
        return f"{available} of {updated} new pods are available"
    return ""


def wait(access: ClusterAccess, workload: Workload, seconds: float, progress: Callable[[str], None]) -> str:
    """Wait for the end of a rollout.

    Args:
        access: the cluster.
        workload: what rolls.
        seconds: how long to wait.
        progress: told what it lacks, whenever that changes.

    Returns:
        What it still lacks after that time; empty: it is through.

    Raises:
        UnreachableError: the cluster does not answer.
    """
    deadline, said = time.monotonic() + seconds, ""
    while lacks := unfinished(read(access, workload)):
        if lacks != said:
            said = lacks
            progress(lacks)
        if time.monotonic() > deadline:
            return lacks
        time.sleep(PAUSE_SECONDS)
    return ""
