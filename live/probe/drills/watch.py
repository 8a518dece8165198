"""Requests without a pause while something is disturbed, and when what was seen."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from health.drill import Sample
from live.probe.asking import Answer, until
from live.probe.site import Site

PAUSE_SECONDS = 0.03
POLL_SECONDS = 0.05


@dataclass
class Watch:
    """The requests of one client so far, and marks in time.

    Attributes:
        answers: what the requests got, in order; grows while the block of :func:`watching` runs.
        marks: seconds since the first request, and what was done or seen.
    """

    answers: list[Answer] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The same as facts, in seconds since the first request."""
        start = self._start
        return tuple(Sample(a.at - start, a.cluster, a.milliseconds, a.failure) for a in self.answers)

    def mark(self, what: str) -> float:
        """Note what was done now; returns the time by the clock that answers have."""
        now = time.monotonic()
        self.marks.append((now - self._start, what))
        return now

    def wait(self, what: str, seen: Callable[[Answer], bool], since: float, seconds: float) -> bool:
        """Wait for an answer to a request that was sent after ``since``, and mark its time; False: none in time.

        Args:
            what: the mark.
            seen: whether it is such an answer.
            since: by ``time.monotonic``.
            seconds: how long to wait.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for answer in tuple(self.answers):
                if answer.at >= since and seen(answer):
                    self.marks.append((answer.at - self._start, what))
                    return True
            time.sleep(POLL_SECONDS)
        return False

    @property
    def _start(self) -> float:
        return self.answers[0].at if self.answers else time.monotonic()


@contextmanager
def watching(site: Site) -> Iterator[Watch]:
    """Requests of one client, one after the other, until the block is left; its first answer is there on entering.

    Args:
        site: the probe in the client's cluster.
    """
    watch, over = Watch(), Event()

    def send() -> None:
        for answer in until(site, over.is_set, PAUSE_SECONDS):
            watch.answers.append(answer)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="drill") as pool:
        running: Future[None] = pool.submit(send)
        try:
            while not watch.answers and not running.done():
                time.sleep(POLL_SECONDS)
            yield watch
        finally:
            over.set()
    running.result()
