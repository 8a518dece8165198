"""Finding and ending the processes of a lab by the marker in their environment, whatever became of their parents."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.commands import LAB_MARKER, MACHINE_MARKER
from lab.errors import LabError

_PROC = Path("/proc")


@dataclass(frozen=True)
class MarkedProcess:
    """A process of a lab. `started` (clock ticks since boot) tells it from a later one with the same id."""

    pid: int
    started: int
    lab: str
    machine: str | None
    command: str
    namespace_pids: tuple[int, ...]

    @property
    def is_machine_init(self) -> bool:
        """Whether this is process 1 of a machine of the lab."""
        return self.machine is not None and len(self.namespace_pids) == 2 and self.namespace_pids[1] == 1

    def is_alive(self) -> bool:
        """Whether this very process still runs (one that ended and was not reaped does not)."""
        try:
            state, started = _state(self.pid)
        except (OSError, ValueError, IndexError):
            return False
        return started == self.started and state != "Z"


def marked_processes(lab: str | None = None) -> list[MarkedProcess]:
    """All running processes that carry the marker of one lab, or of any lab.

    The caller and its ancestors are left out: an `up` ending its own lab must not end itself.
    """
    mine = _ancestry()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) in mine:
            continue
        process = _read(int(entry.name))
        if process is not None and (lab is None or process.lab == lab):
            found.append(process)
    return found


def end(processes: Iterable[MarkedProcess], *, grace: float, name: str) -> None:
    """End processes: SIGTERM, and SIGKILL for what is left after the grace period. Returns when all are gone.

    Args:
        processes: the processes to end.
        grace: seconds between the two signals; 0 for SIGKILL at once.
        name: what they belong to, for the error message.

    Raises:
        LabError: some are still there 20 s after SIGKILL.
    """
    left = list(processes)
    if grace > 0:
        _signal(left, signal.SIGTERM)
        left = _wait(left, grace)
    _signal(left, signal.SIGKILL)
    left = _wait(left, 20)
    if left:
        shown = ", ".join(f"{process.pid} ({process.command})" for process in left)
        raise LabError(f"{name}: processes do not end even on SIGKILL: {shown}; look at their state in /proc")


def _signal(processes: Iterable[MarkedProcess], number: signal.Signals) -> None:
    for process in processes:
        if process.is_alive():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue


def _wait(processes: list[MarkedProcess], seconds: float) -> list[MarkedProcess]:
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.is_alive()]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if process.is_alive()]
    return left


def _state(pid: int) -> tuple[str, int]:
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _read(pid: int) -> MarkedProcess | None:
    folder = _PROC / str(pid)
    try:
        pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if LAB_MARKER not in variables:
            return None
        state, started = _state(pid)
        if state == "Z":
            return None
        command = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
        status = (folder / "status").read_text()
    except (OSError, ValueError, IndexError):
        return None  # It ended while being read.
    pids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return MarkedProcess(
        pid=pid,
        started=started,
        lab=variables[LAB_MARKER],
        machine=variables.get(MACHINE_MARKER),
        command=command[:120],
        namespace_pids=tuple(int(value) for value in pids),
    )


def _ancestry() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            break
        pid = int(fields[1])
    return found
