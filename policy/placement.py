"""Which clusters each document goes to."""

import difflib
from collections.abc import Iterable, Iterator

from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.world import Placed
from topology import Mesh
from topology.facts import chosen
from topology.policy import Narrowed

ANNOTATION = "spanmesh.io/"
MULTICLUSTER = "https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/"

NOWHERE = Rule(
    "SM101",
    "Narrowed to what no cluster is",
    "error",
    "The object goes to fewer clusters than it says, or to none: istiod reads policy of its own cluster only",
    "Name clusters, networks or regions of the mesh, or take the annotation away",
    MULTICLUSTER,
    acknowledgeable=False,
)
TWICE = Rule(
    "SM102",
    "Declared twice for one cluster",
    "error",
    "A cluster holds one object of that kind, namespace and name: one of the two would be lost",
    "Give one of them another name, or narrow them to different clusters",
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
    acknowledgeable=False,
)
NAMELESS = Rule(
    "SM103",
    "No name or namespace",
    "error",
    "Which namespace is meant would depend on who applies it, and a name is needed to find the object again",
    "Give metadata.name and metadata.namespace",
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
    acknowledgeable=False,
)
RULES = (NOWHERE, TWICE, NAMELESS)


def place(mesh: Mesh | None, documents: Iterable[tuple[Document, Narrowed]]) -> tuple[list[Placed], list[Finding]]:
    """Where every document goes, in the mesh's order of clusters.

    The keys of the stack's item and the annotations ``spanmesh.io/clusters``, ``spanmesh.io/networks`` and
    ``spanmesh.io/regions`` (names with commas between them) both narrow; a cluster that any of the keys of one names
    is meant.

    Args:
        mesh: the declared mesh; None: no cluster is known, and every document goes to none by name.
        documents: each with what its item in the stack file says.
    """
    placed: list[Placed] = []
    findings: list[Finding] = []
    seen: dict[tuple[str, tuple[str, str, str, str]], Document] = {}
    for document, narrowed in documents:
        if missing := [key for key, value in (("name", document.name), ("namespace", document.namespace)) if not value]:
            findings.append(at(document, ("metadata",), NAMELESS, f"metadata.{' and metadata.'.join(missing)} missing"))
            continue
        asked = _annotated(document)
        findings += _unknown(mesh, document, asked)
        meant = chosen(mesh, asked) if mesh else ()
        names = tuple(name for name in chosen(mesh, narrowed) if name in meant) if mesh else ()
        # Without a mesh every document is in one place that has no name.
        for cluster in names or (("",) if mesh is None else ()):
            first = seen.setdefault((cluster, document.identity), document)
            if first is not document:
                message = f"it stands at {first.file}:{first.line} too"
                findings.append(at(document, (), TWICE, message, (cluster,) if cluster else ()))
        placed.append(Placed(document, names))
    return placed, findings


def _annotated(document: Document) -> Narrowed:
    return Narrowed.model_validate(
        {key: _names(document, key) for key in ("clusters", "networks", "regions") if _names(document, key)}
    )


def _names(document: Document, key: str) -> list[str]:
    return [name.strip() for name in document.annotations.get(ANNOTATION + key, "").split(",") if name.strip()]


def _unknown(mesh: Mesh | None, document: Document, asked: Narrowed) -> Iterator[Finding]:
    if mesh is None:
        return
    known = {
        "clusters": [c.name for c in mesh.clusters],
        "networks": sorted({c.network for c in mesh.clusters}),
        "regions": sorted({c.region for c in mesh.clusters if c.region}),
    }
    for key, names in known.items():
        for name in getattr(asked, key):
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                yield at(
                    document,
                    ("metadata", "annotations", ANNOTATION + key),
                    NOWHERE,
                    f"{ANNOTATION}{key} names {name}",
                    cure=f"Did you mean {near[0]}?" if near else f"Known {key}: {', '.join(names)}",
                )
