"""One thing of one cluster, and how it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from health.check import State

PartName = Literal["api", "istiod", "gateway", "remotes", "certificates", "versions", "policy"]
WRONG, CANNOT_TELL = 1, 2
# What counts where several things are told as one.
WORST = (State.FAILED, State.SKIPPED, State.WARNING, State.OK)


@dataclass(frozen=True)
class Part:
    """One thing of one cluster.

    Attributes:
        name: what it is.
        state: how it stands; skipped: it cannot be told, or not wholly.
        text: the same in a few words.
        reasons: what is missing or wrong, or why it cannot be told, one sentence each.
        facts: what was seen, as plain data for JSON.
    """

    name: PartName
    state: State
    text: str
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterStanding:
    """One cluster.

    Attributes:
        cluster: Istio's name of it.
        seconds: how long it took to look.
        parts: everything that is told of it.
    """

    cluster: str
    seconds: float
    parts: tuple[Part, ...]

    @property
    def state(self) -> State:
        """The worst of its parts."""
        return worst(part.state for part in self.parts)

    def part(self, name: PartName) -> Part:
        """One of its parts; KeyError: it was not asked for."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing or wrong, with the name of the cluster."""
        failed = [part for part in self.parts if part.state is State.FAILED]
        return tuple(f"{self.cluster}: {reason}" for part in failed for reason in part.reasons)


@dataclass(frozen=True)
class InStep:
    """How the policy of one cluster compares with the declared one.

    Attributes:
        compared: how many objects were held against each other.
        different: those that are missing, different or extra, as text.
        unknown: why it cannot be told; empty: it can.
    """

    compared: int = 0
    different: tuple[str, ...] = ()
    unknown: str = ""


def worst(states: Iterable[State]) -> State:
    """What counts of several; ok where there is none."""
    found = set(states)
    return next((state for state in WORST if state in found), State.OK)


def exit_code(clusters: Iterable[ClusterStanding]) -> int:
    """0: everything is as declared; 1: something is missing or wrong; 2: nothing is as far as can be told."""
    state = worst(each.state for each in clusters)
    return {State.FAILED: WRONG, State.SKIPPED: CANNOT_TELL}.get(state, 0)
