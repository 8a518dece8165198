"""Results of checks as a reader wants them: by cause, failures first, and what each cluster and pair is worth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from health.check import Cause, Check, Result, State

ORDER = (State.FAILED, State.WARNING, State.SKIPPED, State.OK)
MOST_NAMES = 6


@dataclass(frozen=True)
class Place:
    """Where a cause was found.

    Attributes:
        anchor: id of the element, unique in the page.
        where: clusters, pairs or ``mesh``.
        message: what was seen.
        cure: what to do here, if that is more than the cause's own cure says.
        consequences: names of the checks that were left out, since what they say follows from this.
    """

    anchor: str
    where: str
    message: str
    cure: str
    consequences: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """One cause, and every place where it was found."""

    state: State
    cause: Cause
    check: Check
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Untold:
    """Checks that could tell nothing, for one reason."""

    reason: str
    checks: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Line:
    """One check, and how often it said what."""

    check: Check
    state: State
    counts: tuple[tuple[State, int], ...]


def worst(states: Iterable[State]) -> State | None:
    """The state that a reader should see where there are several; None where there is none."""
    there = set(states)
    return next((state for state in ORDER if state in there), None)


def found(results: Sequence[Result]) -> tuple[Found, ...]:
    """Every cause that was found: errors first, then by code."""
    by_code: dict[str, tuple[Cause, list[Result]]] = {}
    for result in results:
        if result.cause is not None and result.state in (State.FAILED, State.WARNING):
            by_code.setdefault(result.cause.code, (result.cause, []))[1].append(result)
    consequences = [result for result in results if result.because is not None]
    every = [_found(cause, of_cause, consequences) for cause, of_cause in by_code.values()]
    return tuple(sorted(every, key=lambda each: (ORDER.index(each.state), each.cause.code)))


def _found(cause: Cause, results: Sequence[Result], consequences: Sequence[Result]) -> Found:
    alike: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        cure = result.cure if result.cure.rstrip(".") != cause.cure.rstrip(".") else ""
        alike.setdefault((result.message, cure), []).append(result)
    places = []
    for number, ((message, cure), of_place) in enumerate(alike.items(), 1):
        follow = dict.fromkeys(each.check.name for each in consequences if each.because in of_place)
        places.append(Place(f"{cause.code.lower()}-{number}", where(of_place), message, cure, tuple(follow)))
    state = worst(result.state for result in results) or State.FAILED
    return Found(state, cause, results[0].check, tuple(places))


def where(results: Sequence[Result]) -> str:
    """Clusters and pairs, those of one client or of one server together: ``cluster1, cluster2 -> cluster3``."""
    alone = list(dict.fromkeys(each.where for each in results if not each.peer))
    pairs = [(each.cluster, each.peer) for each in results if each.peer]
    by_client: dict[str, dict[str, None]] = {}
    by_server: dict[str, dict[str, None]] = {}
    for client, server in pairs:
        by_client.setdefault(client, {})[server] = None
        by_server.setdefault(server, {})[client] = None
    if len(by_server) <= len(by_client):
        told = [f"{_names(list(clients))} -> {server}" for server, clients in by_server.items()]
    else:
        told = [f"{client} -> {_names(list(servers))}" for client, servers in by_client.items()]
    return "; ".join([*([_names(alone)] if alone else []), *told])


def _names(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMES
    return ", ".join(names) if rest < 2 else f"{', '.join(names[:MOST_NAMES])} and {rest} more"


def untold(results: Sequence[Result]) -> tuple[Untold, ...]:
    """What was skipped, by its reason, but for what follows from a failure."""
    by_reason: dict[str, list[Result]] = {}
    for result in results:
        if result.state is State.SKIPPED and result.because is None:
            by_reason.setdefault(result.message, []).append(result)
    return tuple(
        Untold(reason, tuple(dict.fromkeys(each.check.name for each in of_reason)), where(of_reason))
        for reason, of_reason in by_reason.items()
    )


def lines(results: Sequence[Result]) -> tuple[Line, ...]:
    """Every check that was held against the mesh, in order."""
    by_check: dict[str, list[Result]] = {}
    for result in results:
        by_check.setdefault(result.check.name, []).append(result)
    return tuple(
        Line(
            of_check[0].check,
            worst(each.state for each in of_check) or State.SKIPPED,
            tuple((state, count) for state in ORDER if (count := sum(each.state is state for each in of_check))),
        )
        for of_check in by_check.values()
    )


class Places:
    """What the checks say of each cluster by itself, and of each pair.

    Args:
        results: of the checks.
    """

    def __init__(self, results: Iterable[Result]) -> None:
        self._said: dict[tuple[str, str], list[Result]] = {}
        for result in results:
            self._said.setdefault((result.cluster, result.peer), []).append(result)

    def state(self, cluster: str, peer: str = "") -> State | None:
        """What a cluster by itself, or the way from it to a peer, is worth; None where nothing was said of it."""
        return worst(each.state for each in self._said.get((cluster, peer), ()))

    def codes(self, cluster: str, peer: str = "") -> tuple[str, ...]:
        """Codes of what was found there."""
        causes = [each.cause for each in self._said.get((cluster, peer), ())]
        return tuple(dict.fromkeys(cause.code for cause in causes if cause))
