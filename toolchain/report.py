"""Tells the user what the toolchain does: one step after the other, with the time that is roughly left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text


@dataclass(frozen=True)
class Step:
    """One piece of work. ``seconds``: how long it typically takes on two cores."""

    title: str
    seconds: float


class Report(Protocol):
    """Receives what happens. ``plan`` may be called again when the work turns out different."""

    def plan(self, steps: Sequence[Step]) -> None:
        """These steps follow."""

    def start(self, step: Step) -> None:
        """``step`` begins."""

    def end(self, step: Step, outcome: str) -> None:
        """``step`` is over: ``outcome`` says what came of it."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def close(self) -> None:
        """Nothing follows."""


class Clock:
    """Estimates the time left from typical seconds, corrected by how fast this machine proved so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.begun = time.monotonic()
        self.number = 0
        self._done_typical = 0.0
        self._done_real = 0.0
        self._step_begun = self.begun

    def plan(self, steps: Sequence[Step]) -> None:
        """Start over with ``steps``."""
        self.steps = list(steps)
        self.number = 0

    def start(self) -> None:
        """The next step begins."""
        self.number += 1
        self._step_begun = time.monotonic()

    def end(self, step: Step) -> float:
        """``step`` is over.

        Returns:
            How long it took, in seconds.
        """
        seconds = time.monotonic() - self._step_begun
        self._done_typical += step.seconds
        self._done_real += seconds
        return seconds

    def left(self) -> float:
        """Seconds that are roughly left."""
        pace = self._done_real / self._done_typical if self._done_typical > 30 else 1.0
        current = self.steps[self.number - 1].seconds * pace if 0 < self.number <= len(self.steps) else 0.0
        rest = sum(step.seconds for step in self.steps[self.number :]) * pace
        return rest + max(current - (time.monotonic() - self._step_begun), current * 0.05)


def spell(seconds: float) -> str:
    """``seconds`` as a person would say it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class LineReport:
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = Clock()

    def plan(self, steps: Sequence[Step]) -> None:
        self._clock.plan(steps)

    def start(self, step: Step) -> None:
        self._clock.start()
        self._console.print(
            f"[{self._clock.number}/{len(self._clock.steps)}] {step.title} (about {spell(self._clock.left())} left)",
            markup=False,
            soft_wrap=True,
        )

    def end(self, step: Step, outcome: str) -> None:
        self._console.print(
            f"[{self._clock.number}/{len(self._clock.steps)}] {step.title}: {outcome} ({spell(self._clock.end(step))})",
            markup=False,
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing is held."""


class TimeLeft(ProgressColumn):
    """Column with the time that is roughly left for all steps."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        """Called by Rich at every refresh."""
        return Text(f"about {spell(self._clock.left())} left")


class LiveReport:
    """Lines for what is over, and below them the running step with a moving clock: for a terminal."""

    def __init__(self, console: Console) -> None:
        self._clock = Clock()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TimeLeft(self._clock),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def plan(self, steps: Sequence[Step]) -> None:
        self._clock.plan(steps)

    def start(self, step: Step) -> None:
        self._clock.start()
        self._progress.start()
        self._task = self._progress.add_task(
            f"[{self._clock.number}/{len(self._clock.steps)}] {step.title}", total=None
        )

    def end(self, step: Step, outcome: str) -> None:
        seconds = self._clock.end(step)
        self._drop_task()
        self.note(f"[{self._clock.number}/{len(self._clock.steps)}] {step.title}: {outcome} ({spell(seconds)})")

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._drop_task()
        self._progress.stop()

    def _drop_task(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def default_report() -> Report:
    """On standard error: live on a terminal, lines elsewhere."""
    console = Console(stderr=True, highlight=False)
    return LiveReport(console) if console.is_terminal else LineReport(console)
