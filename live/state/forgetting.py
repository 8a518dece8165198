"""Taking a cluster that is gone for good out of a state: nothing in it can be deleted any more."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from live.kubeconfig import ClusterAccess
from live.state.deployment import KUBERNETES, Json, cluster_of, name_of, resources, revealed

# Lists, and maps of lists, in which a resource names others.
NAMED, NAMED_BY_PROPERTY = ("dependencies", "replaceWith"), "propertyDependencies"


def known_clusters(state: Json) -> dict[str, ClusterAccess]:
    """The clusters that a state has a provider of, with the kubeconfig that it was last used with.

    Args:
        state: exported with its secrets.
    """
    texts = {
        name_of(each["urn"]): revealed((each.get("inputs") or {}).get("kubeconfig"))
        for each in resources(state)
        if each["type"] == KUBERNETES
    }
    return {name: ClusterAccess(name, yaml.safe_load(text)) for name, text in texts.items() if text}


def objects_in(state: Json, cluster: str) -> list[str]:
    """URNs of what a state has in a cluster, and of its provider."""
    return [
        each["urn"]
        for each in resources(state)
        if cluster_of(each) == cluster or (each["type"] == KUBERNETES and name_of(each["urn"]) == cluster)
    ]


def without_cluster(state: Json, cluster: str) -> dict[str, Any]:
    """The state without what is in a cluster.

    What belongs to the cluster but is in none (its intermediate's key and certificate) stays: the next update deletes
    it, as the cluster is no longer declared.

    Args:
        state: an exported state; its secrets may be encrypted.
        cluster: Istio's name.
    """
    gone = set(objects_in(state, cluster))
    deployment = dict(state["deployment"])
    deployment["resources"] = [_unrelated(each, gone) for each in resources(state) if each["urn"] not in gone]
    if pending := deployment.get("pending_operations"):
        deployment["pending_operations"] = [each for each in pending if each["resource"]["urn"] not in gone]
    return {**state, "deployment": deployment}


def _unrelated(resource: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    return dict(_kept(resource, gone))


def _kept(resource: Mapping[str, Any], gone: Collection[str]) -> Iterator[tuple[str, Any]]:
    for key, value in resource.items():
        if key in NAMED:
            yield key, [urn for urn in value if urn not in gone]
        elif key == NAMED_BY_PROPERTY:
            yield key, {name: [urn for urn in urns or () if urn not in gone] for name, urns in value.items()}
        elif key != "deletedWith" or value not in gone:
            yield key, value
