"""A disruption made on purpose, and what clients felt of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One request that was sent during a drill.

    Attributes:
        at: when it was sent, in seconds since the drill's first request.
        answered: Istio's name of the cluster that answered; empty: none did.
        milliseconds: how long it took.
        failure: status and text of a failed one; empty: it was answered.
    """

    at: float
    answered: str
    milliseconds: float
    failure: str = ""


@dataclass(frozen=True)
class Drill:
    """A disruption made on purpose, and what the client of one cluster felt of it.

    Attributes:
        name: ``failover``, ``gateway-kill`` or ``token-rotation``.
        title: what was done, as a sentence.
        client: Istio's name of the cluster whose client sent the requests.
        peer: Istio's name of the cluster that was disturbed, or that was to answer instead; empty: none.
        samples: the requests, in the order of their time.
        marks: seconds since the first request, and what was done or seen then.
        reason: why it was not done, or broken off; empty: it went to its end.
        undone: whether what was disturbed was seen to be as before.
    """

    name: str
    title: str
    client: str
    peer: str = ""
    samples: tuple[Sample, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    reason: str = ""
    undone: bool = True

    def mark(self, what: str) -> float | None:
        """When something was first done or seen, in seconds since the first request; None: it was not."""
        return next((at for at, said in self.marks if said == what), None)

    @property
    def failures(self) -> tuple[Sample, ...]:
        """The requests that got no answer."""
        return tuple(each for each in self.samples if not each.answered)
