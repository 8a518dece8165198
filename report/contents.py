"""What a report is made from: what was seen of a mesh, what the checks say of it, and what its traffic did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from health.check import Result
from health.observed import Observed
from policy.finding import Finding


@dataclass(frozen=True)
class DriftedObject:
    """One object of a cluster that is not as it is declared or was installed.

    Attributes:
        state: ``missing``, ``different`` or ``extra``.
        name: kind, namespace and name.
        source: what says how it should be: a file and line, or a Helm release.
        cure: what to do.
        diff: of a different one, declared to live as a unified diff; else empty.
    """

    state: str
    name: str
    source: str
    cure: str
    diff: str = ""


@dataclass(frozen=True)
class Drift:
    """What is declared for one cluster, held against what it holds.

    Attributes:
        unknown: why it cannot be told, cause and cure; empty where it can.
        compared: how many objects were held against each other.
        objects: those that are not in step.
    """

    unknown: str = ""
    compared: int = 0
    objects: tuple[DriftedObject, ...] = ()


@dataclass(frozen=True)
class Contents:
    """All that one page tells.

    Attributes:
        stack: the stack's name.
        observed: the facts, with the traffic matrix and the drills.
        results: what the checks say, in their order.
        drift: by Istio's cluster name; None: it was not looked at.
        findings: what the review of policy says.
        seconds: how long it took to find all of this out.
        notes: what the reader should know of how it was found out, for example why no requests were sent.
    """

    stack: str
    observed: Observed
    results: Sequence[Result]
    drift: Mapping[str, Drift] | None = None
    findings: Sequence[Finding] = ()
    seconds: float = 0
    notes: Sequence[str] = ()
