"""Drills as plots: a lane for each cluster that answered, and one for requests that nobody answered."""

from dataclasses import dataclass
from itertools import pairwise

from health.drill import Drill
from report.scale import Tick, seconds_ticks

LEFT, RIGHT, LANE, MARK = 130, 960, 34, 15


@dataclass(frozen=True)
class Lane:
    """The requests of one fate; lengths in SVG user units.

    Attributes:
        cluster: Istio's name of the cluster that answered; empty: no answer.
        y: the lane's middle.
        requests: x of each request.
        count: how many.
        first: when the first of them was sent, seconds since the drill's first request.
        last: likewise the last.
    """

    cluster: str
    y: float
    requests: tuple[float, ...]
    count: int
    first: float
    last: float


@dataclass(frozen=True)
class Mark:
    """Something that was done, as an upright line."""

    x: float
    y: float
    at: float
    label: str
    turned: bool


@dataclass(frozen=True)
class FailoverPlot:
    """One drill.

    Attributes:
        drill: what was done.
        lanes: the client's own cluster, others that answered, then those without answer.
        marks: what was done when.
        ticks: of the time axis.
        top: where the lanes begin.
        height: of the picture.
        silence: the longest time between two answers, in seconds.
    """

    drill: Drill
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    top: float
    height: float
    silence: float


def failover_plot(drill: Drill) -> FailoverPlot | None:
    """The plot; None where the drill has no samples."""
    if not drill.samples:
        return None
    times = [sample.at for sample in drill.samples] + [at for at, _ in drill.marks]
    length = max(*times, 0.1)

    def x(at: float) -> float:
        return LEFT + at / length * (RIGHT - LEFT)

    top = MARK * len(drill.marks) + 8
    answering = sorted(
        {sample.answered for sample in drill.samples} - {""}, key=lambda name: (name != drill.client, name)
    )
    lanes = []
    for number, cluster in enumerate([*answering, ""]):
        at = [sample.at for sample in drill.samples if sample.answered == cluster]
        y = top + LANE * (number + 0.5)
        lanes.append(Lane(cluster, y, tuple(map(x, at)), len(at), min(at, default=0), max(at, default=0)))
    marks = [
        Mark(x(at), MARK * number, at, label, x(at) > (LEFT + RIGHT) / 2)
        for number, (at, label) in enumerate(drill.marks)
    ]
    answered = sorted(sample.at for sample in drill.samples if sample.answered)
    silence = max((b - a for a, b in pairwise(answered)), default=0.0)
    height = top + LANE * len(lanes) + 30
    return FailoverPlot(drill, tuple(lanes), tuple(marks), seconds_ticks(length, LEFT, RIGHT), top, height, silence)
