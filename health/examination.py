"""Checks held against what was seen, in their order; what follows from an earlier failure is not said twice."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from health.check import Check, Result, State
from health.observed import Observed


@dataclass(frozen=True)
class Examined:
    """A check and the function that looks.

    Attributes:
        check: the check.
        look: what it says of each cluster or pair, from the facts.
    """

    check: Check
    look: Callable[[Observed], Iterable[Result]]


def examine(observed: Observed, checks: Sequence[Examined]) -> Iterator[Result]:
    """What every check says, in order.

    A failure of a check that ``needs`` another one which failed for the same cluster becomes skipped, with the code
    that it follows from: the first cause is what has to be cured. What is skipped there follows from it too.

    Args:
        observed: what was seen.
        checks: what to hold against it; a check comes after those that it needs.
    """
    said: list[Result] = []
    for each in checks:
        for result in each.look(observed):
            told = _consequence(result, said)
            said.append(told)
            yield told


def _consequence(result: Result, said: Sequence[Result]) -> Result:
    if result.state is State.OK:
        return result
    concerned = {result.cluster, result.peer} - {""}
    for earlier in said:
        # What follows from a consequence follows from the same failure.
        first = earlier.because or earlier
        if first.state is not State.FAILED or earlier.check.name not in result.check.needs or first.cause is None:
            continue
        if _of({earlier.cluster, earlier.peer}, concerned):
            if result.state is State.SKIPPED:
                return replace(result, because=first)
            reason = f"follows from {first.cause.code} at {first.where}: {result.message}"
            return replace(result, state=State.SKIPPED, message=reason, cause=None, because=first)
    return result


def _of(clusters: set[str], concerned: set[str]) -> bool:
    named = clusters - {""}
    return bool(named) and named <= concerned
