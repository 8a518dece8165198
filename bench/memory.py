"""The memory of everything that this process has started, watched while it runs."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

INTERVAL_SECONDS = 0.5
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Memory of a process tree at its peak, in bytes.

    Attributes:
        rss: sum of what is resident; pages that processes share are counted for each.
        pss: the same with shared pages divided among those that share them: what the machine has to have.
        processes: how many there were.
    """

    rss: int = 0
    pss: int = 0
    processes: int = 0


class PeakMemory:
    """Looks at the descendants of this process twice a second, between entering and leaving. Linux only."""

    def __init__(self) -> None:
        self.peak = Memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            tree = descendants(os.getpid())
            seen = Memory(sum(map(_rss, tree)), sum(map(_pss, tree)), len(tree))
            self.peak = Memory(*(max(a, b) for a, b in zip(_values(self.peak), _values(seen), strict=True)))


def _values(memory: Memory) -> tuple[int, int, int]:
    return memory.rss, memory.pss, memory.processes


def descendants(ancestor: int) -> list[int]:
    """Process ids below one, at this moment."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _read(entry / "stat")):
            # The name in parentheses may have spaces and parentheses itself.
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, left = [], list(children.get(ancestor, []))
    while left:
        process = left.pop()
        found.append(process)
        left += children.get(process, [])
    return found


def _rss(process: int) -> int:
    statm = _read(PROC / str(process) / "statm").split()
    return int(statm[1]) * PAGE if statm else 0


def _pss(process: int) -> int:
    lines = _read(PROC / str(process) / "smaps_rollup").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # ended meanwhile
        return ""
