"""Clusters that the stack no longer declares and still has objects in: the end of an update deletes these."""

from collections.abc import Collection, Iterator, Mapping

import yaml

from live.kubeconfig import ClusterAccess
from live.own_state import UnreadableStateError, own_resources
from live.reachability import UnreachableError, cluster_uid
from topology import Problem

PROVIDER = "pulumi:providers:kubernetes"


def removed_clusters(stack: str, declared: Collection[str]) -> dict[str, ClusterAccess]:
    """The clusters that the state of the stack that runs has a provider of, and that are not declared.

    Args:
        stack: the stack's name.
        declared: Istio's names of those that are.

    Returns:
        With the kubeconfig that each was last used with. Where the state cannot be read there is none: Pulumi itself
        says what is wrong then.
    """
    try:
        resources = own_resources(stack)
    except UnreadableStateError:
        return {}
    found: dict[str, ClusterAccess] = {}
    for urn, resource in resources.items():
        name, kubeconfig = urn.rpartition("::")[2], (resource.get("outputs") or {}).get("kubeconfig")
        if resource["type"] == PROVIDER and name not in declared and isinstance(kubeconfig, str):
            found[name] = ClusterAccess(name, yaml.safe_load(kubeconfig))
    return found


def silent(removed: Mapping[str, ClusterAccess], stack: str) -> Iterator[Problem]:
    """Removed clusters that do not answer: what is deleted last would fail, with all else done.

    Args:
        removed: the clusters, by Istio's name.
        stack: the stack's name.
    """
    for name, access in removed.items():
        try:
            cluster_uid(access)
        except UnreachableError as error:
            cure = (
                f"{error.cure}. If it is gone for good: `spanmesh forget {name} --stack {stack}`, then `pulumi up`"
                if error.status is None
                else error.cure
            )
            cause = f"it is declared no more, and what the mesh has in it cannot be deleted: {error.cause}"
            yield Problem(f"cluster {name}", cause, cure)
