"""A process that is told another time of day than all others."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab import LabError
from lab.faults import vdso

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="clocks are set wrong on Linux, x86-64"
)
DAY = 86_400
# Asks for the time in three ways, and how long the machine has been up; on "exec" it executes itself anew.
ASKED = """
import ctypes, os, sys, time
library = ctypes.CDLL(None)
library.time.restype = ctypes.c_int64
print("asks", flush=True)
for line in sys.stdin:
    if line == "exec\\n":
        os.execv(sys.executable, [sys.executable, "-c", os.environ["ASKED"]])
    pair = (ctypes.c_int64 * 2)()
    library.gettimeofday(pair, None)
    print(time.time(), pair[0], library.time(None), time.monotonic(), flush=True)
"""


class Asked:
    """A running program that says what time it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.pid = process.pid
        self._in, self._out = process.stdin, process.stdout
        self.answer()

    def tell(self, line: str) -> str:
        """Say a line; returns the answer."""
        assert self._in is not None
        self._in.write(f"{line}\n")
        self._in.flush()
        return self.answer()

    def answer(self) -> str:
        assert self._out is not None
        return self._out.readline()

    def ahead(self) -> list[int]:
        """How far ahead it is, in days: clock_gettime, gettimeofday and time; and by the time since boot."""
        *told, since_boot = map(float, self.tell("time").split())
        return [round((each - time.time()) / DAY) for each in told] + [round((since_boot - time.monotonic()) / DAY)]


@pytest.fixture
def asked() -> Iterator[Asked]:
    with subprocess.Popen(
        [sys.executable, "-c", ASKED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ASKED": ASKED},
    ) as process:
        yield Asked(process)
        process.kill()


@pytest.mark.parametrize("days", [1, -1, 20_000])
def test_it_is_told_another_time_of_day_and_waits_as_long_as_before(asked: Asked, days: int) -> None:
    assert asked.ahead() == [0, 0, 0, 0]
    vdso.set_clock(asked.pid, days * DAY)
    assert asked.ahead() == [days, days, days, 0]
    assert vdso.is_set(asked.pid)
    vdso.reset_clock(asked.pid)
    assert asked.ahead() == [0, 0, 0, 0]
    assert not vdso.is_set(asked.pid)


def test_what_it_executes_begins_with_the_right_time_at_another_address(asked: Asked) -> None:
    vdso.set_clock(asked.pid, DAY)
    before = vdso.address(asked.pid)
    asked.tell("exec")
    assert asked.ahead() == [0, 0, 0, 0]
    assert vdso.address(asked.pid) != before


def test_one_that_is_gone_is_told_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not vdso.is_set(process.pid)
    with pytest.raises(OSError, match=str(process.pid)):
        vdso.set_clock(process.pid, DAY)


@pytest.mark.parametrize("seconds", [0, 2**31])
def test_seconds_that_are_none_are_refused(seconds: int) -> None:
    with pytest.raises(LabError, match=f"a clock cannot be wrong by {seconds} s"):
        vdso.check(seconds)


def test_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    vdso._vdso.cache_clear()
    try:
        with pytest.raises(LabError, match="cannot be set wrong on aarch64"):
            vdso.check(DAY)
        assert not vdso.is_set(os.getpid()), "a lab comes up all the same"
    finally:
        vdso._vdso.cache_clear()
