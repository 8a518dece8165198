"""Whether a kubeconfig still opens the cluster in which the stack's state has its part of the mesh.

Pulumi goes by its state. With the kubeconfig of another cluster it would change that one, and take for deleted what
stands untouched in the right one; where a namespace was deleted behind its back it finds nothing to do.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_kubernetes as k8s
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.client import TIMEOUT, api_client
from live.helm_records import helm_records
from live.kubeconfig import ClusterAccess
from live.own_state import UnreadableStateError, own_resources
from live.reachability import cluster_uid
from topology import Mesh, Problem
from topology.checks.keys import cluster_keys
from topology.defaults import NAMESPACE
from topology.revisions import is_istiod

# Stack output: the uid of kube-system, by Istio's cluster name.
OUTPUT = "clusterUids"
STACK = "pulumi:pulumi:Stack"
NAMESPACE_TYPE = "kubernetes:core/v1:Namespace"
RELEASE_TYPE = "kubernetes:helm.sh/v3:Release"
NEW_CLUSTER = (
    "Where that cluster is gone for good and this one takes its place: take its entry out, `spanmesh forget {name}`, "
    "`pulumi up`, then declare it anew"
)


@dataclass(frozen=True)
class ClusterIds:
    """By what a cluster is known again.

    Attributes:
        cluster: uid of its kube-system.
        namespace: uid of its istio-system; None: there is none, or it is on its way out.
        releases: names of the releases of which Helm has a record.
    """

    cluster: str
    namespace: str | None
    releases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Made:
    """Where the last updates of this stack have made a cluster's part of the mesh.

    Attributes:
        cluster: uid of the cluster's kube-system; None: no update has come to its end.
        namespace: uid of its istio-system; None: this stack has not made it.
        releases: names of its Helm releases.
    """

    cluster: str | None = None
    namespace: str | None = None
    releases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LostNamespace:
    """An istio-system that is gone, with all that the state still has in it.

    Attributes:
        cluster: Istio's cluster name.
        uid: its uid.
        problem: what to say.
    """

    cluster: str
    uid: str
    problem: Problem


def cluster_ids(access: ClusterAccess) -> ClusterIds:
    """What a running cluster says.

    Raises:
        UnreachableError: the API server does not answer, or refuses the credentials.
    """
    cluster = cluster_uid(access)
    try:
        with api_client(access) as api:
            found = client.CoreV1Api(api).read_namespace(NAMESPACE, _request_timeout=TIMEOUT).metadata
    except ApiException as error:
        if error.status != 404:
            raise
        return ClusterIds(cluster, None)
    releases = frozenset(record.release for record in helm_records(access))
    return ClusterIds(cluster, None if found.deletion_timestamp else found.uid, releases)


def made_clusters(stack: str, names: Collection[str]) -> dict[str, Made]:
    """What the state of the stack that runs says of each cluster.

    Args:
        stack: the stack's name.
        names: Istio's names of the clusters.
    """
    try:
        resources = own_resources(stack)
    except UnreadableStateError as error:
        pulumi.log.warn(f"whether kubeconfigs still open the same clusters cannot be told: {error}")
        return {name: Made() for name in names}
    uids: Mapping[str, str] = {}
    namespaces: dict[str, str | None] = {}
    releases: dict[str, str] = {}
    for urn, resource in resources.items():
        outputs = resource.get("outputs") or {}
        if resource["type"] == STACK:
            uids = outputs.get(OUTPUT) or {}
        elif resource["type"] == NAMESPACE_TYPE:
            namespaces[urn.rpartition("::")[2]] = (outputs.get("metadata") or {}).get("uid")
        elif resource["type"] == RELEASE_TYPE and "name" in outputs:
            releases[urn.rpartition("::")[2]] = outputs["name"]
    # As components.trust.Trust and components.control_plane.ControlPlane name them, in a component called `mesh`.
    return {
        name: Made(
            uids.get(name),
            namespaces.get(f"mesh-trust-{name}-namespace"),
            frozenset(made for own, made in releases.items() if _is_of(name, own)),
        )
        for name in names
    }


def _is_of(cluster: str, resource: str) -> bool:
    """Whether a release of that name in the state is the chart base, or an istiod, of a cluster."""
    of, control_plane, part = resource.partition(f"mesh-{cluster}-control-plane-")
    return not of and bool(control_plane) and (part == "base" or is_istiod(part))


def uids_output(made: Mapping[str, Made], seen: Mapping[str, ClusterIds]) -> dict[str, str]:
    """The stack output by which the next update knows the clusters again.

    Args:
        made: what the state says; what it knows of a cluster that does not answer stays.
        seen: what the clusters that answer say.
    """
    known = {name: each.cluster for name, each in made.items() if each.cluster}
    return known | {name: ids.cluster for name, ids in seen.items()}


def other_clusters(
    mesh: Mesh, made: Mapping[str, Made], seen: Mapping[str, ClusterIds], accesses: Mapping[str, ClusterAccess]
) -> Iterator[Problem]:
    """Kubeconfigs that open another cluster than the one that the state knows.

    Args:
        mesh: the declared mesh.
        made: what the state says.
        seen: what the clusters that answer say.
        accesses: the clusters, by Istio's name.
    """
    for key, name in _keys(mesh, seen):
        own, ids = made[name], seen[name]
        known = own.cluster is not None
        if (own.cluster == ids.cluster) if known else (own.namespace in (None, ids.namespace)):
            continue
        owner = next((n for n, m in made.items() if n != name and _is(m, ids)), None)
        if known or owner:
            there = f"the cluster of {owner}" if owner else "another cluster"
            of = f" (kube-system has the uid {own.cluster})" if known else ""
            yield Problem(
                f"{key}.kubeconfig",
                f"it opens {there} at {accesses[name].server} (kube-system has the uid {ids.cluster}), and what this "
                f"stack has made for {name} stands elsewhere{of}",
                f"Give the kubeconfig of {name}" + ("" if owner else f". {NEW_CLUSTER.format(name=name)}"),
            )


def lost_namespaces(mesh: Mesh, made: Mapping[str, Made], seen: Mapping[str, ClusterIds]) -> Iterator[LostNamespace]:
    """Each istio-system that this stack has made and that is gone.

    Args:
        mesh: the declared mesh.
        made: what the state says.
        seen: what the clusters that answer say.
    """
    for key, name in _keys(mesh, seen):
        own, ids = made[name], seen[name]
        if own.namespace is None or own.namespace == ids.namespace or own.cluster not in (None, ids.cluster):
            continue
        cause = (
            f"cluster {name}: the namespace {NAMESPACE} was deleted, and with it istiod, gateways, Secrets and Helm's "
            "records, which the stack's state still has"
        )
        right = "" if own.cluster else f", if the kubeconfig opens the right cluster (kube-system: {ids.cluster})"
        cure = f"`pulumi up --refresh` makes them anew{right}"
        yield LostNamespace(name, own.namespace, Problem(key, cause, cure))


def lost_releases(mesh: Mesh, made: Mapping[str, Made], seen: Mapping[str, ClusterIds]) -> Iterator[Problem]:
    """Helm releases that the state has, and that have no record in the cluster: Pulumi would find nothing to do.

    Args:
        mesh: the declared mesh.
        made: what the state says.
        seen: what the clusters that answer say.
    """
    for key, name in _keys(mesh, seen):
        lost = sorted(made[name].releases - seen[name].releases)
        # Without the namespace, that is what there is to say.
        if lost and seen[name].namespace:
            yield Problem(
                key,
                f"cluster {name}: Helm has no record of {' and '.join(lost)}, which the stack's state still has: an "
                "interrupted run has uninstalled it, or the record was deleted",
                "Run `spanmesh repair`, then `pulumi up` again",
            )


def refuse_lost(lost: Sequence[LostNamespace], namespaces: Mapping[str, k8s.core.v1.Namespace]) -> None:
    """Fail where Pulumi goes by a namespace that is gone, for it would find nothing to do; in a preview, warn.

    What `--refresh` has seen shows in no other way to a program: the engine then makes the namespace anew.

    Args:
        lost: those that are gone.
        namespaces: istio-system as declared, by Istio's cluster name.
    """
    for each in lost:
        namespaces[each.cluster].metadata.apply(partial(_refuse, each))


def _refuse(lost: LostNamespace, metadata: k8s.meta.v1.outputs.ObjectMeta) -> None:
    if metadata.uid == lost.uid:
        if not pulumi.runtime.is_dry_run():
            raise pulumi.RunError(str(lost.problem))
        pulumi.log.warn(str(lost.problem))


def _keys(mesh: Mesh, seen: Mapping[str, ClusterIds]) -> Iterator[tuple[str, str]]:
    return ((key, cluster.name) for key, cluster in cluster_keys(mesh) if cluster.name in seen)


def _is(made: Made, ids: ClusterIds) -> bool:
    return ids.cluster == made.cluster or (made.namespace is not None and ids.namespace == made.namespace)
