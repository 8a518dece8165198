"""What a check says: a rule, and the place where it is broken."""

from dataclasses import dataclass, replace
from typing import Literal

from policy.document import Document

Severity = Literal["error", "warning"]
ACKNOWLEDGE = "acknowledge.spanmesh.io/"


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with policy.

    Attributes:
        code: stable, for example SM201: 1 shape, 2 routes and Services, 3 locality and TLS, 4 between clusters,
            5 what is live, 9 the second judge.
        name: short, in words.
        severity: an error stops a preview, a warning shows in it.
        effect: what happens at run time.
        cure: what to write instead.
        source: Istio page or issue that says so.
        acknowledgeable: whether the annotation ``acknowledge.spanmesh.io/<code>`` with a reason lets it pass.
    """

    code: str
    name: str
    severity: Severity
    effect: str
    cure: str
    source: str
    acknowledgeable: bool = True


@dataclass(frozen=True)
class Finding:
    """A rule broken in one place.

    Attributes:
        rule: the rule.
        file: the file as the stack names it.
        line: line in it, from 1.
        subject: the object, for example ``VirtualService sample/helloworld``; empty where a file is none.
        message: what is wrong here, with the names and numbers of this mesh.
        clusters: clusters that it concerns; empty: all that the object goes to.
        cure: what to write here, where more can be said than the rule's own cure.
        acknowledged: the reason that the document gives; None where it gives none.
    """

    rule: Rule
    file: str
    line: int
    subject: str
    message: str
    clusters: tuple[str, ...] = ()
    cure: str = ""
    acknowledged: str | None = None

    @property
    def stops(self) -> bool:
        """Whether a preview ends here."""
        return self.rule.severity == "error" and self.acknowledged is None

    def __str__(self) -> str:
        where = f" in {', '.join(self.clusters)}" if self.clusters else ""
        subject = f"{self.subject}{where}: " if self.subject else ""
        return f"{self.file}:{self.line}: {self.rule.code} {subject}{self.message}. {self.cure or self.rule.cure}"


def at(
    document: Document,
    path: tuple[str | int, ...],
    rule: Rule,
    message: str,
    clusters: tuple[str, ...] = (),
    cure: str = "",
) -> Finding:
    """A finding at a path of a document; acknowledged if the document says so and the rule lets it.

    Args:
        document: where it is.
        path: keys and indexes from the document's top: ``("spec", "http", 0, "route")``.
        rule: what is broken.
        message: what is wrong here.
        clusters: clusters that it concerns.
        cure: what to write here, where more can be said than the rule's own cure.
    """
    finding = Finding(rule, document.file, document.line_of(*path), str(document), message, clusters, cure)
    reason = document.annotations.get(ACKNOWLEDGE + rule.code, "").strip()
    return replace(finding, acknowledged=reason) if reason and rule.acknowledgeable else finding
