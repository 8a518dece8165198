"""Field managers left behind by runs that broke off, before the state heard of the objects that they had made.

Pulumi applies each object by a field manager of its own, kept in the state. Where the state does not know an object,
the next run applies it once more, by another one. Both then own its fields, and the first change of one ends in a
conflict. https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubernetes.client.exceptions import ApiException

from live.client import api_client
from live.drift.objects import Objects
from live.kubeconfig import ClusterAccess
from live.policy.api import Api
from live.reachability import explained
from live.state.deployment import RELEASE, cluster_of

OF_PULUMI = re.compile(r"pulumi-kubernetes-[0-9a-f]{8}")
# Somebody has changed the object meanwhile: a conflict, and what a JSON patch says whose test fails.
CHANGED = (409, 422)


@dataclass(frozen=True)
class Applied:
    """An object as the state knows it.

    Attributes:
        cluster: Istio's name of its cluster.
        api_version: its version.
        kind: its kind.
        namespace: its namespace; empty: it has none.
        name: its name.
        manager: field manager by which Pulumi applies it.
    """

    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str
    manager: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def applied(resources: Iterable[Mapping[str, Any]]) -> list[Applied]:
    """The objects of Kubernetes that a state has, without those of Helm.

    Args:
        resources: as `pulumi stack export` has them.
    """
    found = []
    for each in resources:
        outputs = each.get("outputs") or {}
        metadata = outputs.get("metadata")
        if not each["type"].startswith("kubernetes:") or each["type"] == RELEASE or not isinstance(metadata, Mapping):
            continue
        if (manager := outputs.get("__fieldManager")) and (cluster := cluster_of(each)):
            kind, namespace = (outputs["apiVersion"], outputs["kind"]), metadata.get("namespace") or ""
            found.append(Applied(cluster, *kind, namespace, metadata["name"], manager))
    return found


def take_out_stale_managers(access: ClusterAccess, objects: Sequence[Applied]) -> list[Applied]:
    """Take other managers of Pulumi's out of objects, where they own nothing that the state's own does not.

    The fields stay as they are, and whose the state says. An object that somebody changes at that moment is left.

    Args:
        access: the cluster.
        objects: what the state knows of it.

    Returns:
        Those that had such managers.

    Raises:
        UnreachableError: the cluster does not answer, or does not let an object be changed.
    """
    if not objects:
        return []
    with explained(access, "reading whose the fields of the stack's objects are"), api_client(access) as client:
        api = Api(client)
        reader = Objects(api)
        return [each for each in objects if _took_out(api, reader, each)]


def _took_out(api: Api, reader: Objects, known: Applied) -> bool:
    kind = reader.kind(known.api_version, known.kind)
    live = reader.read(known.api_version, known.kind, known.namespace, known.name)
    if kind is None or live is None:
        return False
    metadata = live["metadata"]
    if not (stale := _stale(metadata.get("managedFields") or [], known.manager)):
        return False
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    # From the last one, so that places stay true.
    removed = [{"op": "remove", "path": f"/metadata/managedFields/{place}"} for place in reversed(stale)]
    path = kind.path(known.namespace, known.name)
    try:
        api.patch(path, "application/json-patch+json", [unchanged, *removed], {"fieldManager": "spanmesh"})
    except ApiException as error:
        if error.status not in CHANGED:
            raise
        return False
    return True


def _stale(entries: Sequence[Mapping[str, Any]], own: str) -> list[int]:
    """Places of the entries of other runs that own nothing besides what the own entry does."""
    of_own = [each.get("fieldsV1") or {} for each in entries if each.get("manager") == own]
    if not of_own:
        return []
    return [
        place
        for place, each in enumerate(entries)
        if each.get("manager") != own
        and each.get("operation") == "Apply"
        and OF_PULUMI.fullmatch(each.get("manager") or "")
        and _within(each.get("fieldsV1") or {}, of_own[0])
    ]


def _within(fields: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(name in others and _within(below, others[name]) for name, below in fields.items())
