"""A named check, the causes that it can tell apart, and what it says of one cluster or of one pair."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """What a check says; skipped is not ok."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Cause:
    """One thing that can be wrong with a running mesh; a section of docs/troubleshooting.md.

    Attributes:
        code: stable, for example SM621: 61 clusters and istiods, 62 remote access, 63 trust, 64 gateways (and SM650),
            65 identity and clocks, 66 proxies, 67 Services and workloads, 68 policy, 69 traffic, 70 drills, 71 one
            request.
        name: short, in words.
        severity: an error makes the check fail, a warning does not.
        symptom: what users see of it.
        cause: what is wrong.
        cure: what to do.
        source: Istio page or issue that says so.
    """

    code: str
    name: str
    severity: Literal["error", "warning"]
    symptom: str
    cause: str
    cure: str
    source: str


@dataclass(frozen=True)
class Check:
    """One line of `spanmesh verify`.

    Attributes:
        name: what ``--only`` takes, for example ``remote-secrets``.
        title: what holds where it is ok, as a sentence.
        causes: what it can find.
        needs: names of checks: where one of them failed for a cluster, what this one finds there follows from it.
        probe: whether it judges what the probe's traffic got: without a probe there is nothing to say.
    """

    name: str
    title: str
    causes: tuple[Cause, ...]
    needs: tuple[str, ...] = ()
    probe: bool = False


@dataclass(frozen=True)
class Result:
    """What a check says of one cluster, or of one pair of clusters.

    Attributes:
        check: the check.
        state: what it says.
        cluster: Istio's name of the cluster, of the client's or reader's one in a pair; empty: of the whole mesh.
        peer: Istio's name of the other cluster of a pair.
        message: what was seen, with its names and numbers; of a skipped one, the reason.
        cause: what is wrong; None where nothing is, or nothing can be told.
        cure: what to do here, where more can be said than the cause's own cure.
        because: the failure that it follows from, where it is skipped for that.
    """

    check: Check
    state: State
    cluster: str = ""
    peer: str = ""
    message: str = ""
    cause: Cause | None = None
    cure: str = ""
    because: "Result | None" = None

    @property
    def where(self) -> str:
        """``cluster1``, ``cluster1 -> cluster2`` or ``mesh``."""
        return f"{self.cluster} -> {self.peer}" if self.peer else self.cluster or "mesh"


def ok(check: Check, cluster: str = "", peer: str = "", message: str = "") -> Result:
    """It holds."""
    return Result(check, State.OK, cluster, peer, message)


def skipped(check: Check, reason: str, cluster: str = "", peer: str = "") -> Result:
    """It cannot be told, for this reason."""
    return Result(check, State.SKIPPED, cluster, peer, reason)


def found(check: Check, cause: Cause, message: str, cluster: str = "", peer: str = "", cure: str = "") -> Result:
    """Something is wrong."""
    state = State.FAILED if cause.severity == "error" else State.WARNING
    return Result(check, state, cluster, peer, message, cause, cure)
