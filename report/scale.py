"""Axes of the plots: where a value stands, and which values get a tick."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A line of an axis: its x in SVG user units, and its label."""

    x: float
    label: str


@dataclass(frozen=True)
class Logarithmic:
    """A logarithmic axis.

    Attributes:
        low: the value at ``left``; greater than 0.
        high: the value at ``right``; greater than ``low``.
        left: x in SVG user units.
        right: likewise.
    """

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Where a value stands; what is outside stands at the nearer end."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.left + share * (self.right - self.left)


def milliseconds_axis(values: list[float], left: float, right: float) -> tuple[Logarithmic, tuple[Tick, ...]]:
    """An axis for durations in milliseconds, from and to a 1, 2 or 5 times a power of ten.

    Args:
        values: all that have to stand on it.
        left: x of its beginning, in SVG user units.
        right: x of its end.
    """
    steps = [factor * 10.0**power for power in range(-2, 6) for factor in (1, 2, 5)]
    low = max((step for step in steps if step <= min(values)), default=steps[0])
    high = next((step for step in steps if step >= max(values) and step > low), steps[-1])
    scale = Logarithmic(low, high, left, right)
    return scale, tuple(Tick(scale.x(step), f"{step:g}") for step in steps if low <= step <= high)


def seconds_ticks(length: float, left: float, right: float) -> tuple[Tick, ...]:
    """Ticks of an axis that begins at 0 s and ends at ``length`` seconds: five to ten of them."""
    step = next(s for power in range(-2, 7) for s in (1 * 10**power, 2 * 10**power, 5 * 10**power) if length / s <= 10)
    return tuple(
        Tick(left + n * step / length * (right - left), f"{n * step:g}") for n in range(int(length / step) + 1)
    )
