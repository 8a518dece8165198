"""Which of the objects that a program declares stand in the clusters already."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from live.client import api_client
from live.drift.managers import Managers
from live.drift.objects import Objects
from live.drift.releases import deployed
from live.kubeconfig import ClusterAccess
from live.policy.api import Api
from live.reachability import explained
from live.state.deployment import RELEASE, Planned
from policy.provenance import STACK


@dataclass(frozen=True)
class Standing:
    """An object that is live.

    Attributes:
        id: by which ``pulumi import`` finds it: ``namespace/name``, or its name.
        kind: its kind.
        manager: field manager by which Pulumi has applied it; empty: none is known.
    """

    id: str
    kind: str
    manager: str = ""


def standing(accesses: Mapping[str, ClusterAccess], declared: Sequence[Planned]) -> dict[str, Standing]:
    """What is live of what is declared, by URN; an object of policy only where it carries the stack's label.

    Args:
        accesses: the clusters, by Istio's name.
        declared: resources in them.

    Raises:
        UnreachableError: a cluster does not answer, or does not let an object be read.
    """

    def of_cluster(access: ClusterAccess) -> dict[str, Standing]:
        own = [each for each in declared if each.cluster == access.name]
        with explained(access, "reading what the stack declares"), api_client(access) as client:
            objects = Objects(Api(client))
            releases = set(deployed(objects)) if any(each.type == RELEASE for each in own) else set()
            found = {each.urn: _standing(each, objects, releases) for each in own}
        return {urn: one for urn, one in found.items() if one}

    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        return {urn: one for found in pool.map(of_cluster, accesses.values()) for urn, one in found.items()}


def _standing(declared: Planned, objects: Objects, releases: set[str]) -> Standing | None:
    inputs = declared.inputs
    if declared.type == RELEASE:
        name = inputs.get("name")
        return Standing(f"{inputs.get('namespace')}/{name}", "Release") if name in releases else None
    metadata = inputs.get("metadata")
    if not isinstance(metadata, Mapping) or "name" not in metadata:
        return None
    kind = objects.kind(inputs["apiVersion"], inputs["kind"])
    if kind is None:
        return None
    namespace = str(metadata.get("namespace") or "default") if kind.namespaced else ""
    live = objects.read(inputs["apiVersion"], inputs["kind"], namespace, metadata["name"])
    if live is None or (_label(inputs) and _label(live) != _label(inputs)):
        return None
    identity = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return Standing(identity, inputs["kind"], Managers.of(live).of_pulumi)


def _label(body: Mapping[str, Any]) -> str | None:
    metadata = body.get("metadata") or {}
    return (metadata.get("labels") or {}).get(STACK)
