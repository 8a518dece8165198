"""A region whose clock is wrong: all programs of its machines, in containers too, are told another time of day."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from lab.cgroups import machine_processes
from lab.faults import vdso
from lab.plan import LabPlan, RegionPlan

# So long a program that is started meanwhile is told the right time.
LOOK_SECONDS = 0.25


class Executed(NamedTuple):
    """A program in a process: where it has the vDSO is another place once it executes another one."""

    process: int
    vdso: int


@contextmanager
def wrong_clock(plan: LabPlan, region: RegionPlan, seconds: int) -> Iterator[None]:
    """Let a region's clock be wrong while the block runs, also for programs that start meanwhile.

    Args:
        plan: the lab.
        region: the region.
        seconds: how far ahead, as :func:`lab.faults.vdso.check` allows; negative: behind.
    """
    ended = threading.Event()
    done = _set(plan, region, seconds, frozenset())

    def hold(done: frozenset[Executed]) -> None:
        while not ended.wait(LOOK_SECONDS):
            done = _set(plan, region, seconds, done)

    holder = threading.Thread(target=hold, args=(done,), name=f"clock of {region.name}", daemon=True)
    holder.start()
    try:
        yield
    finally:
        ended.set()
        holder.join()
        clear(plan, region)


def clear(plan: LabPlan, region: RegionPlan) -> None:
    """Let every program of a region be told the right time."""
    for process in _processes(plan, region):
        if vdso.is_set(process):
            with suppress(OSError):
                vdso.reset_clock(process)


def is_wrong(plan: LabPlan, region: RegionPlan) -> bool:
    """Whether a program of a region is told a wrong time."""
    return any(map(vdso.is_set, _processes(plan, region)))


def _set(plan: LabPlan, region: RegionPlan, seconds: int, done: frozenset[Executed]) -> frozenset[Executed]:
    """Set the clock of all programs but those that have been set; returns all that run."""
    found = frozenset(_executed(_processes(plan, region)))
    for each in found - done:
        with suppress(OSError):
            vdso.set_clock(each.process, seconds)
    return found


def _executed(processes: set[int]) -> Iterator[Executed]:
    for process in processes:
        # Gone, or one of the kernel's, which asks nobody.
        with suppress(OSError):
            yield Executed(process, vdso.address(process))


def _processes(plan: LabPlan, region: RegionPlan) -> set[int]:
    return {process for machine in region.machines for process in machine_processes(plan.name, machine)}
