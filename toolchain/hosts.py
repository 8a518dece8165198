"""Which download hosts can be reached: asked once, all at the same time, and remembered for a while."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

PROBE_SECONDS = 8.0
REMEMBER_SECONDS = 900.0


def base_of(url: str) -> str:
    """Scheme and host of ``url``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Hosts:
    """What is known of hosts. Unreachable ones are remembered in ``record`` for later runs, 15 minutes long.

    Args:
        record: JSON file, host -> [time of the probe, cause].
        seconds: how long the one probe of all hosts may take.
    """

    def __init__(self, record: Path, seconds: float = PROBE_SECONDS) -> None:
        self._record = record
        self._seconds = seconds
        self._causes: dict[str, str | None] = {}
        for base, (when, cause) in self._remembered().items():
            if 0 <= time.time() - when < REMEMBER_SECONDS:
                self._causes[base] = f"{cause} (seen {spell_minutes(time.time() - when)} ago)"

    def probe(self, urls: Iterable[str]) -> None:
        """Ask those hosts of ``urls`` of which nothing is known yet, together, within the time allowed."""
        unknown = {base_of(url) for url in urls} - self._causes.keys()
        answers: dict[str, str | None] = {}
        threads = [
            threading.Thread(target=self._ask, args=(base, answers), name=f"probe {base}", daemon=True)
            for base in unknown
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + self._seconds
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        for base in unknown:
            self._causes[base] = answers.get(base, f"no answer within {self._seconds:g} s")
        if any(self._causes[base] is not None for base in unknown):
            self._remember()

    def cause(self, url: str) -> str | None:
        """Why the host of ``url`` cannot be reached; None if it can (it is asked if that is not known)."""
        self.probe([url])
        return self._causes[base_of(url)]

    def unreachable(self, urls: Iterable[str]) -> list[str]:
        """Those hosts of ``urls`` that are known not to answer, each with the cause."""
        return [
            f"{base}: {cause}" for base in sorted({base_of(url) for url in urls}) if (cause := self._causes.get(base))
        ]

    def forget(self) -> None:
        """Ask again, also those that were not reachable a while ago."""
        self._causes.clear()
        self._record.unlink(missing_ok=True)

    def failed(self, url: str, cause: str) -> None:
        """The host of ``url`` did not do what it should: it is not tried again for a while."""
        self._causes[base_of(url)] = cause
        self._remember()

    def _ask(self, base: str, answers: dict[str, str | None]) -> None:
        request = urllib.request.Request(base + "/", method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=self._seconds):
                answers[base] = None
        except urllib.error.HTTPError as answer:
            # Any answer of the host itself will do: many have no page at /.
            answers[base] = None if answer.code < 500 else f"answers {answer.code} {answer.reason}"
        except urllib.error.URLError as cause:
            answers[base] = str(cause.reason)
        except OSError as cause:
            answers[base] = str(cause)

    def _remembered(self) -> dict[str, tuple[float, str]]:
        try:
            return {base: (when, cause) for base, (when, cause) in json.loads(self._record.read_text()).items()}
        except (OSError, ValueError, TypeError):
            return {}

    def _remember(self) -> None:
        now = time.time()
        kept = {base: entry for base, entry in self._remembered().items() if now - entry[0] < REMEMBER_SECONDS}
        for base, cause in self._causes.items():
            if cause is not None and base not in kept:
                kept[base] = (now, cause)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._record.write_text(json.dumps(kept, indent=2) + "\n")


def spell_minutes(seconds: float) -> str:
    """``seconds`` in minutes, for a message."""
    return f"{seconds / 60:.0f} min"
