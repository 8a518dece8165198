"""Objects that the policy would make, and that somebody else has made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from live.policy.reading import Held, identity
from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.provenance import STACK
from policy.world import Placed

TAKEN = Rule(
    "SM502",
    "The object is someone else's",
    "error",
    "Two owners would undo each other's changes, and whichever goes first would delete it for both",
    "Give the object another name, or have its owner delete it: the update after that makes it",
    "https://github.com/pulumi/pulumi-kubernetes/pull/4278",
    acknowledgeable=False,
)
RULES = (TAKEN,)
# Who says so on the objects that it makes, by annotation or label.
MARKS = (
    ("Argo CD", "argocd.argoproj.io/tracking-id"),
    ("Argo CD", "argocd.argoproj.io/instance"),
    ("Flux", "kustomize.toolkit.fluxcd.io/name"),
    ("Flux", "helm.toolkit.fluxcd.io/name"),
    ("Flagger", "flagger.app/canary"),
    ("the Helm release", "meta.helm.sh/release-name"),
    ("", "app.kubernetes.io/managed-by"),
)


def owners(placed: Sequence[Placed], held: Mapping[str, Held]) -> list[Finding]:
    """Declared objects whose kind, namespace and name somebody else uses already.

    Nothing else would say so. pulumi-kubernetes 4.25, tried in the lab: it creates by server-side apply, so an object
    that is there is taken over without a word if no field of another manager has another value (and deleted with the
    stack); if one has, the update stops with ``Apply failed with 1 conflict: conflict with
    "kubectl-client-side-apply"``, which its preview does not tell; with the annotation ``pulumi.com/patchForce`` the
    object is overwritten without a word. Since 4.29 it creates without apply, and stops with AlreadyExists, unless
    ``upsertExistingObjects`` is set (https://github.com/pulumi/pulumi-kubernetes/pull/4278).

    Args:
        placed: the declared policy.
        held: what was read of the clusters, by Istio's name.
    """
    others = {name: {identity(item): item for item in each.live.others} for name, each in held.items()}
    return [
        _taken(each.document, cluster, item)
        for each in placed
        for cluster in each.clusters
        if (item := others.get(cluster, {}).get(each.document.identity)) is not None
    ]


def _taken(document: Document, cluster: str, item: Mapping[str, Any]) -> Finding:
    runs = document.kind == "Service" and not document.group
    cure = f"If {cluster} runs it, name {cluster} in its `servedBy`. Else: {TAKEN.cure}" if runs else ""
    return at(document, ("metadata", "name"), TAKEN, f"it is there already, made by {owner(item)}", (cluster,), cure)


def owner(item: Mapping[str, Any]) -> str:
    """Whose an object is, as far as it tells.

    Args:
        item: the object, as the API server gives it.
    """
    metadata = item["metadata"]
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    if stack := marks.get(STACK):
        return f"the stack {stack} (label {STACK})"
    for name, key in MARKS:
        if value := marks.get(key):
            return f"{name} {value}".strip() + f" ({key})"
    managers = sorted(set(_managers(metadata)))
    return f"{' and '.join(managers)} (managedFields)" if managers else "someone who left no name"


def _managers(metadata: Mapping[str, Any]) -> Iterator[str]:
    for entry in metadata.get("managedFields") or []:
        # What a controller writes into the status makes it no owner.
        if entry.get("manager") and entry.get("subresource") != "status":
            yield str(entry["manager"])
