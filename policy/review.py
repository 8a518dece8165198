"""Everything that is to be said of policy before it is applied, put together from whoever says it."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policy import files, placement
from policy.checks import RULES as OF_CHECKS
from policy.checks import check
from policy.document import Document
from policy.files import Read
from policy.finding import ACKNOWLEDGE, Finding, Rule, at
from policy.placement import place
from policy.shape import RULES as OF_SHAPE
from policy.world import Live, Placed, World
from policy.written import is_stub, written
from topology import Mesh

NOT_ACKNOWLEDGED = Rule(
    "SM104",
    "Acknowledges nothing",
    "error",
    "The finding that was meant is not let pass, or a mistyped code hides that nobody has looked at it",
    "Give the code of a rule that can be acknowledged, and a reason",
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/",
    acknowledgeable=False,
)
RULES: tuple[Rule, ...] = (*files.RULES, *placement.RULES, NOT_ACKNOWLEDGED, *OF_SHAPE, *OF_CHECKS)
"""Every rule of this room, by code; judges and clusters have rules of their own."""

Shape = Callable[[Document], Iterable[Finding]]


@dataclass(frozen=True)
class Gathered:
    """A mesh's policy and where it goes, before it is judged.

    Attributes:
        placed: every document and its clusters.
        findings: what kept a document from being read or placed.
    """

    placed: tuple[Placed, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Review:
    """What is to be said of policy.

    Attributes:
        world: the mesh, its policy, and what is live, as they were judged.
        findings: in the order of files and lines, each once.
        missing: why a judge is not heard in them, one sentence each.
    """

    world: World
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Every document and its clusters."""
        return self.world.placed

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stops a preview."""
        return tuple(finding for finding in self.findings if finding.stops)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What a preview shows and goes on."""
        return tuple(f for f in self.findings if f.rule.severity == "warning" and f.acknowledged is None)

    @property
    def acknowledged(self) -> tuple[Finding, ...]:
        """What its document gives a reason for."""
        return tuple(finding for finding in self.findings if finding.acknowledged is not None)

    def also(self, findings: Iterable[Finding] = (), missing: Iterable[str] = ()) -> "Review":
        """The same with what another judge says, or why it could not be heard."""
        return Review(
            self.world, _ordered((*self.findings, *findings)), tuple(dict.fromkeys((*self.missing, *missing)))
        )


def gather(mesh: Mesh | None, read: Read) -> Gathered:
    """The documents of files, with those that the stack's helpers and declared Services stand for, placed.

    Args:
        mesh: the declared mesh; None where files are judged without a stack.
        read: what stood in the files.
    """
    placed, findings = place(mesh, [*read.documents, *(written(mesh) if mesh else [])])
    return Gathered(tuple(placed), (*read.findings, *findings))


def review(
    mesh: Mesh | None,
    gathered: Gathered,
    shapes: Mapping[str, Shape],
    live: Mapping[str, Live] | None = None,
    further: Sequence[Rule] = (),
) -> Review:
    """What this room itself says of policy.

    Args:
        mesh: the declared mesh; None where files are judged without a stack.
        gathered: its policy.
        shapes: by cluster, what holds a document against the types of the Istio version there; by ``""`` without a
            mesh. A cluster that is not in it has no types to be held against.
        live: by cluster, what it holds.
        further: rules of other judges (istioctl, a server-side dry run), so that they can be acknowledged.
    """
    world = World(mesh, gathered.placed, live or {})
    found = [*gathered.findings, *_misshaped(gathered.placed, shapes), *check(world)]
    known = {rule.code: rule for rule in (*RULES, *further)}
    for placed in gathered.placed:
        found += _acknowledgements(placed.document, known)
    return Review(world, _ordered(found))


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda f: (f.file, f.line, f.rule.code, f.subject, f.message, f.clusters))
    )


def _misshaped(placed: Iterable[Placed], shapes: Mapping[str, Shape]) -> Iterator[Finding]:
    for each in placed:
        if is_stub(each.document):
            continue
        # Clusters with one Istio version share what judges: each document is held against each version once.
        clusters: dict[Shape, tuple[str, ...]] = {}
        for cluster in each.clusters or ("",):
            if cluster in shapes:
                clusters[shapes[cluster]] = (*clusters.get(shapes[cluster], ()), cluster)
        for shape, names in clusters.items():
            for finding in shape(each.document):
                yield replace(finding, clusters=names) if len(clusters) > 1 else finding


def _acknowledgements(document: Document, known: Mapping[str, Rule]) -> Iterator[Finding]:
    for annotation, reason in document.annotations.items():
        if not annotation.startswith(ACKNOWLEDGE):
            continue
        code = annotation.removeprefix(ACKNOWLEDGE)
        path = ("metadata", "annotations", annotation)
        if code not in known:
            near = difflib.get_close_matches(code, known, n=1)
            cure = f"Did you mean {near[0]}?" if near else ""
            yield at(document, path, NOT_ACKNOWLEDGED, f"no rule has the code {code}", cure=cure)
        elif not known[code].acknowledgeable:
            message = f"{code} ({known[code].name}) cannot be acknowledged"
            yield at(document, path, NOT_ACKNOWLEDGED, message, cure=known[code].cure)
        elif not reason.strip():
            yield at(document, path, NOT_ACKNOWLEDGED, f"it gives no reason for {code}")
