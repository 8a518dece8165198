"""Declared policy held against what is live."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from live.drift.comparison import Comparison, Manner, compare
from live.drift.deviation import Deviation
from live.drift.objects import Objects
from live.policy.api import SERVICES, Api
from policy.document import Document
from policy.provenance import FILE, SPEC_HASH, STACK, applied, label_value, spec_hash

PENDING = "It was declared anew since the last update: `pulumi up`"
MENDS = "`pulumi up` puts it right"
MISSING = "`pulumi up` makes it"
NO_KIND = "The cluster does not serve {}: install its CRDs, then `pulumi up`"
OTHERS = (
    "It does not carry this stack's label: whoever made it has to delete it, then `pulumi up`; or give the "
    "declared one another name"
)
EXTRA = "`pulumi up` deletes it if the stack made it; otherwise: kubectl -n {} delete {}.{} {}"
Identity = tuple[str, str, str, str]
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """A declared object and what came out.

    Attributes:
        document: as declared.
        served: whether the cluster knows its kind.
        live: as it is; None: it is not there.
        comparison: what came out; None where it is not there.
    """

    document: Document
    served: bool
    live: Object | None
    comparison: Comparison | None

    @property
    def in_step(self) -> bool:
        """Whether it is there as declared."""
        return self.comparison is not None and not self.comparison.differences

    @property
    def pending(self) -> bool:
        """Whether what is live was made from another spec than the one that is declared now."""
        live = _labels(self.live or {}).get(SPEC_HASH)
        return live is not None and live != spec_hash(self.document.body)


class LivePolicy:
    """The policy of one cluster.

    Args:
        api: the cluster's API.
        objects: reads single objects.
        stack: the stack's name.
    """

    def __init__(self, api: Api, objects: Objects, stack: str) -> None:
        self._api, self._objects, self._stack = api, objects, stack

    def compared(self, documents: Sequence[Document], pool: Executor) -> list[Compared]:
        """Every declared object of the cluster, held against the live one.

        Args:
            documents: what goes to this cluster.
            pool: reads several at once.
        """
        return list(pool.map(self._compared, documents))

    def undeclared(self, documents: Sequence[Document], pool: Executor) -> list[Object]:
        """Objects of the stack's policy that are not declared for this cluster; the sample's are of no file."""
        declared = {document.identity for document in documents}
        selector = f"{STACK}={label_value(self._stack)},{FILE}"
        kinds = [*self._api.kinds().listed(), SERVICES]
        own = [item for items in pool.map(lambda kind: self._objects.labelled(kind, selector), kinds) for item in items]
        return [item for item in own if _identity(item) not in declared]

    def _compared(self, document: Document) -> Compared:
        served = self._objects.kind(document.api_version, document.kind) is not None
        live = self._objects.read(document.api_version, document.kind, document.namespace, document.name)
        if live is None:
            return Compared(document, served, None, None)
        return Compared(document, served, live, comparison(document, live, self._stack))


def comparison(document: Document, live: Object, stack: str) -> Comparison:
    """A declared object held against its live form.

    Args:
        document: as declared.
        live: as the API server gives it.
        stack: the stack's name.
    """
    # As JSON, as it went to the API server.
    declared = json.loads(json.dumps(applied(document, stack), default=str))
    manner = Manner(typed=not document.group)
    found = compare(declared, live, manner)
    if found.differences or not document.group.endswith("istio.io") or spec_hash(live) == spec_hash(declared):
        return found
    # Istio's types have no defaults: what nobody is said to have set was set all the same.
    bare = {**live, "metadata": {key: value for key, value in live["metadata"].items() if key != "managedFields"}}
    return compare(declared, bare, manner)


def deviations(live: LivePolicy, documents: Sequence[Document], stack: str, pool: Executor) -> Iterator[Deviation]:
    """What is not as declared in one cluster."""
    for each in live.compared(documents, pool):
        if not each.in_step:
            yield _deviation(each, stack)
    for item in live.undeclared(documents, pool):
        yield _extra(item)


def _deviation(each: Compared, stack: str) -> Deviation:
    document = each.document
    return Deviation(
        source=f"{document.file}:{document.line}",
        api_version=document.api_version,
        kind=document.kind,
        namespace=document.namespace,
        name=document.name,
        state="different" if each.comparison else "missing",
        cure=_cure(each, stack),
        differences=each.comparison.differences if each.comparison else (),
        diff=each.comparison.diff if each.comparison else "",
    )


def _cure(each: Compared, stack: str) -> str:
    if not each.served:
        return NO_KIND.format(f"{each.document.kind} of {each.document.api_version}")
    if each.live is None:
        return MISSING
    if _labels(each.live).get(STACK) != label_value(stack):
        return OTHERS
    return PENDING if each.pending else MENDS


def _extra(item: Object) -> Deviation:
    group, kind, namespace, name = _identity(item)
    file = (item["metadata"].get("annotations") or {}).get(FILE) or _labels(item).get(FILE) or "no file"
    return Deviation(
        source=str(file),
        api_version=str(item["apiVersion"]),
        kind=kind,
        namespace=namespace,
        name=name,
        state="extra",
        cure=EXTRA.format(namespace, kind.lower(), group, name).replace(". ", " "),
    )


def _labels(item: Object) -> Mapping[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}


def _identity(item: Object) -> Identity:
    group, slash, _ = str(item["apiVersion"]).rpartition("/")
    metadata = item["metadata"]
    return group if slash else "", str(item["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])
