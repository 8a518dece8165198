"""Putting right, in an update, what was changed behind Pulumi's back.

Pulumi compares what is declared with its own state: an object that somebody changed meanwhile stays as it is,
`--refresh` sees no fields that others added, and nothing looks behind the record of a Helm release. So the program
itself puts drift right before it declares anything. What was declared anew since the last update is left to Pulumi.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from kubernetes.client.exceptions import ApiException

from live.client import api_client
from live.drift import policy, releases
from live.drift.clusters import CALLS, Expected
from live.drift.comparison import Comparison, Difference
from live.drift.helm_release import UnreadableRecordError
from live.drift.managers import APPLIES, Managers
from live.drift.objects import Objects
from live.helm_ownership import LABELS, ownership_annotations
from live.kubeconfig import ClusterAccess
from live.own_state import UnreadableStateError, own_resources
from live.policy.api import Api
from live.reachability import UnreachableError, explained
from policy.document import Document
from policy.provenance import STACK, applied, label_value, resource_name

Object = Mapping[str, Any]
HELM = "pulumi-resource-kubernetes"
# What __main__.py makes: the component MirroredPolicy of the component Mesh called `mesh`.
COMPONENT = "mesh-policy"
SHOWN = 5


def mend_drift(accesses: Mapping[str, ClusterAccess], expected: Expected) -> None:
    """Put right what drifted; in a preview, warn of it.

    Each object gets back the fields that were changed or taken away and loses those that were added; nothing else of it
    is touched. Objects that are gone are made anew: those of a Helm release, and policy that the stack has made. What a
    cluster refuses stays as it is, with a warning: the update itself may be what cures it.

    Args:
        accesses: the clusters that answer, by Istio's name.
        expected: what should be in them.
    """
    if not accesses:
        return
    made = made_resources(expected.stack) if expected.placed else {}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        said = list(pool.map(lambda access: _cluster(access, expected, made), accesses.values()))
    for line in (line for lines in said for line in lines):
        pulumi.log.warn(line)


def made_resources(stack: str) -> dict[str, Mapping[str, Any]]:
    """The outputs of each resource in the stack's state, by the resource's name: what the last update made.

    Args:
        stack: the stack that runs.
    """
    try:
        resources = own_resources(stack)
    except UnreadableStateError as error:
        pulumi.log.warn(f"policy that is gone stays so, for the stack's state cannot be read: {error}")
        return {}
    return {urn.rpartition("::")[2]: resource.get("outputs") or {} for urn, resource in resources.items()}


def _cluster(access: ClusterAccess, expected: Expected, made: Mapping[str, Object]) -> list[str]:
    documents = [each.document for each in expected.placed if access.name in each.clusters]
    mend = _said_only if pulumi.runtime.is_dry_run() else _mended
    try:
        with (
            explained(access, "putting policy and Helm releases right"),
            api_client(access) as client,
            ThreadPoolExecutor(max_workers=CALLS) as pool,
        ):
            api = Api(client)
            mending = _Mending(api, Objects(api), expected.stack, access.name, made)
            of_helm = expected.releases_in(access.name) if expected.releases else ()
            found = list(mending.found(documents, of_helm, pool))
            return [f"cluster {access.name}: {each.what}: {mend(each)}" for each in found]
    except (UnreachableError, UnreadableRecordError) as error:
        return [f"drift is left as it is: {error}"]


@dataclass(frozen=True)
class _Drifted:
    """An object that drifted, and how to put it right."""

    what: str
    mend: Callable[[], object]


def _said_only(drifted: _Drifted) -> str:
    return "the update puts it right"


def _mended(drifted: _Drifted) -> str:
    try:
        drifted.mend()
    except ApiException as error:
        return f"could not be put right: {error.status} {error.reason}: {error.body}"
    return "put right"


class _Mending:
    """What has to be done in one cluster."""

    def __init__(self, api: Api, objects: Objects, stack: str, cluster: str, made: Mapping[str, Object]) -> None:
        self._api, self._objects, self._stack = api, objects, stack
        self._cluster, self._made = cluster, made

    def found(self, documents: Sequence[Document], of_helm: Collection[str], pool: Executor) -> Iterator[_Drifted]:
        """Each object that drifted, and that Pulumi itself would leave so; of Helm, those of the releases named."""
        if of_helm:
            own = {name: each for name, each in releases.deployed(self._objects).items() if name in of_helm}
            for each in releases.compared(self._objects, pool, own):
                if not each.in_step and not (each.in_chart and each.live):
                    yield self._of_release(each)
        live = policy.LivePolicy(self._api, self._objects, self._stack)
        # A route without the subsets that it leads to finds nothing.
        for declared in sorted(
            live.compared(documents, pool), key=lambda each: each.document.kind != "DestinationRule"
        ):
            made = self._made.get(resource_name(COMPONENT, self._cluster, declared.document))
            if made is not None and declared.live is None and declared.served:
                make = partial(self._make, declared.document, str(made.get("__fieldManager") or APPLIES))
                yield _Drifted(f"{declared.document} is gone", make)
            elif declared.live and declared.comparison and not declared.in_step and self._left_alone(declared, made):
                what = f"{declared.document} {_told(declared.comparison.differences)}"
                yield _Drifted(what, partial(self._restore, declared.document, declared.live))

    def _left_alone(self, declared: policy.Compared, made: Object | None) -> bool:
        """Whether Pulumi will not touch a live object: it is this stack's, and declared as when it was made."""
        labels = ((declared.live or {}).get("metadata") or {}).get("labels") or {}
        if labels.get(STACK) != label_value(self._stack):
            return False
        if made is not None and (inputs := made.get("__inputs")):
            return _meant(inputs) == _meant(applied(declared.document, self._stack))
        return not declared.pending

    def _of_release(self, each: releases.Compared) -> _Drifted:
        metadata = each.declared["metadata"]
        path = self._path(each.declared, metadata.get("namespace") or each.release.namespace, metadata["name"])
        what = f"{each.declared['kind']} {metadata['name']} of the Helm release {each.release.name}"
        if each.live is None or each.comparison is None:
            owned = {
                "labels": {**(metadata.get("labels") or {}), **LABELS},
                "annotations": {**(metadata.get("annotations") or {}), **ownership_annotations(each.release.name)},
            }
            body = {**each.declared, "metadata": {**metadata, **owned}}
            return _Drifted(f"{what} is gone", partial(self._apply, path, body, HELM))
        mend = partial(self._replace, path, each.live, each.comparison)
        return _Drifted(f"{what} {_told(each.comparison.differences)}", mend)

    def _make(self, document: Document, manager: str) -> None:
        path = self._path(document.body, document.namespace, document.name)
        self._apply(path, applied(document, self._stack), manager)

    def _restore(self, document: Document, live: Object) -> None:
        # Applied as Pulumi applies it: a field that another manager set would be a conflict at its next change.
        path = self._path(document.body, document.namespace, document.name)
        after = self._apply(path, applied(document, self._stack), Managers.of(live).of_pulumi or APPLIES)
        if (left := policy.comparison(document, after, self._stack)).differences:
            self._replace(path, after, left)

    def _apply(self, path: str, body: Object, manager: str) -> Any:
        query = {"fieldManager": manager, "force": "true"}
        return self._api.patch(path, "application/apply-patch+yaml", body, query)

    def _replace(self, path: str, live: Object, comparison: Comparison) -> None:
        """Replace the parts of an object that differ, unless somebody changed it meanwhile."""
        mended = comparison.mended
        version = live["metadata"]["resourceVersion"]
        operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        for key in sorted((live.keys() | mended.keys()) - {"metadata", "status", "apiVersion", "kind"}):
            if key not in mended:
                operations.append({"op": "remove", "path": f"/{key}"})
            elif mended[key] != live.get(key):
                operations.append({"op": "add", "path": f"/{key}", "value": mended[key]})
        for key in ("labels", "annotations"):
            if mended["metadata"][key] != (live["metadata"].get(key) or {}):
                operations.append({"op": "add", "path": f"/metadata/{key}", "value": mended["metadata"][key]})
        self._api.patch(path, "application/json-patch+json", operations, {"fieldManager": HELM})

    def _path(self, body: Object, namespace: str, name: str) -> str:
        kind = self._objects.kind(body["apiVersion"], body["kind"])
        if kind is None:
            raise UnreadableRecordError(f"the cluster does not serve {body['kind']} of {body['apiVersion']}")
        return kind.path(namespace, name)


def _meant(body: Object) -> dict[str, Any]:
    metadata = {key: body["metadata"].get(key) or {} for key in ("labels", "annotations")}
    return {**{key: value for key, value in body.items() if key not in {"metadata", "status"}}, "metadata": metadata}


def _told(differences: Sequence[Difference]) -> str:
    shown = [f"{each.path} {each.change}{f' by {each.by}' if each.by else ''}" for each in differences[:SHOWN]]
    more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    return f"drifted ({', '.join(shown)}{more})"
