"""A hop of one request, and what is said of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from health.check import Cause, State


@dataclass(frozen=True)
class Step:
    """One hop, or one way that a hop forks into.

    Attributes:
        name: what is looked at: ``name``, ``listener``, ``route``, ``cluster``, ``gateway``, ``server``, ...
        where: Istio's name of the cluster that it is in; empty: of none.
        state: what is said of it.
        message: what was seen, with its names and numbers; of a skipped one, the reason.
        details: more of it, a line each.
        declared: the objects that say so, each with the file that it came from.
        cause: what is broken; None: nothing, or nothing can be told.
        cure: what to do here, where more can be said than the cause's own cure.
        children: what follows from here.
    """

    name: str
    where: str
    state: State
    message: str
    details: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    cause: Cause | None = None
    cure: str = ""
    children: tuple["Step", ...] = ()

    def all(self) -> Iterator["Step"]:
        """This one, and everything that follows from it, in order."""
        yield self
        for child in self.children:
            yield from child.all()

    def then(self, *children: "Step") -> "Step":
        """The same with more that follows."""
        return replace(self, children=(*self.children, *children))


@dataclass(frozen=True)
class Walk:
    """One request from its client to its server.

    Attributes:
        client: ``cluster/namespace/pod``.
        target: what is asked: method and URL.
        steps: hop by hop.
        request_id: the ``x-request-id`` that it was sent with; empty: it was not sent.
    """

    client: str
    target: str
    steps: tuple[Step, ...]
    request_id: str = ""

    @property
    def broken(self) -> Step | None:
        """The first hop that is broken; None: none is."""
        return next((step for step in self._all() if step.state is State.FAILED), None)

    @property
    def untold(self) -> Step | None:
        """The first hop of which nothing can be told; None: all can."""
        return next((step for step in self._all() if step.state is State.SKIPPED), None)

    def _all(self) -> Iterator[Step]:
        for step in self.steps:
            yield from step.all()


def fine(name: str, where: str, message: str, *details: str, declared: tuple[str, ...] = ()) -> Step:
    """A hop that works."""
    return Step(name, where, State.OK, message, details, declared)


def untold(name: str, where: str, reason: str, *details: str) -> Step:
    """A hop of which nothing can be told, for this reason."""
    return Step(name, where, State.SKIPPED, reason, details)


def broken(
    name: str, where: str, cause: Cause, message: str, *details: str, declared: tuple[str, ...] = (), cure: str = ""
) -> Step:
    """A hop that does not work."""
    state = State.FAILED if cause.severity == "error" else State.WARNING
    return Step(name, where, state, message, details, declared, cause, cure)


def doubtful(name: str, where: str, cause: Cause, message: str, *details: str, cure: str = "") -> Step:
    """Something that is wrong beside the way of this request."""
    return Step(name, where, State.WARNING, message, details, (), cause, cure)
