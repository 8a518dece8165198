"""What single processes are told of the time of day, changed in the code by which they ask for it.

Linux has one time of day for all: a time namespace has no own (time_namespaces(7)), and static Go programs, such as
Kubernetes' and Istio's, never call the library that libfaketime replaces. But every program asks by the same code,
which the kernel maps into it: the vDSO (vdso(7)). Its functions are led to others here, which ask the kernel itself
and add so many seconds to the answer, as Chaos Mesh's TimeChaos does. The time since boot, by which they wait, stays.
"""

import contextlib
import ctypes
import os
import platform
import signal
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import LabError

# x86-64. Each calls the kernel, adds the seconds where the call was good and told the time of day, and returns.
_CLOCK_GETTIME = ("b8e4000000 0f05 85c0 7510 85ff 7405 83ff05 7507 488106", "c3")
_GETTIMEOFDAY = ("b860000000 0f05 85c0 750c 4885ff 7407 488107", "c3")
_TIME = ("b8c9000000 0f05 4805", "4885ff 7403 488907 c3")
_FUNCTIONS = {"__vdso_clock_gettime": _CLOCK_GETTIME, "__vdso_gettimeofday": _GETTIMEOFDAY, "__vdso_time": _TIME}
_SPACE = 64
_JUMP = b"\xe9"
_JUMP_BYTES = 5
_MOST_SECONDS = 2**31 - 1
_STOP_SECONDS = 0.5
_PROC = Path("/proc")
_AT_SYSINFO_EHDR = 33
# Two pages, since Linux 5.6; what is not mapped cannot be read.
_BYTES = 8192


@dataclass(frozen=True)
class _Vdso:
    """The code as the kernel maps it, the same in all its processes.

    Attributes:
        entries: by function, where it begins, and its first bytes.
        free: where nothing but zeros follows.
    """

    entries: dict[str, tuple[int, bytes]]
    free: int


@cache
def _vdso() -> _Vdso:
    if platform.machine() != "x86_64":
        raise LabError(f"clocks cannot be set wrong on {platform.machine()}, on x86_64 only")
    try:
        library = ctypes.CDLL("linux-vdso.so.1")
    except OSError as error:
        raise LabError(
            f"clocks cannot be set wrong here: this Python does not find the kernel's vDSO: {error}"
        ) from error
    begin = address(os.getpid())
    with (_PROC / "self/mem").open("rb") as memory:
        memory.seek(begin)
        code = memory.read(_BYTES)
    used = len(code.rstrip(b"\0"))
    free = -(-used // _SPACE) * _SPACE
    if free + _SPACE * len(_FUNCTIONS) > len(code):
        raise LabError("clocks cannot be set wrong here: the kernel's vDSO has no room left")
    at = {name: (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or begin) - begin for name in _FUNCTIONS}
    return _Vdso({name: (entry, code[entry : entry + _JUMP_BYTES]) for name, entry in at.items()}, free)


def address(process: int) -> int:
    """Where a process has the vDSO: at another place after each `exec`.

    Raises:
        OSError: it is gone, or has none.
    """
    # Pairs of a key and a value (getauxval(3)).
    vector = (_PROC / str(process) / "auxv").read_bytes()
    found = dict(struct.iter_unpack("=QQ", vector)).get(_AT_SYSINFO_EHDR)
    if found is None:
        raise ProcessLookupError(f"process {process} has no vDSO")
    return int(found)


def check(seconds: int) -> None:
    """Whether clocks can be wrong by so much here.

    Raises:
        LabError: they cannot.
    """
    if not 0 < abs(seconds) <= _MOST_SECONDS:
        raise LabError(f"a clock cannot be wrong by {seconds} s; take at least 1 and at most {_MOST_SECONDS}")
    _vdso()


def set_clock(process: int, seconds: int) -> None:
    """Let a running process be told a time of day that is wrong by so many seconds.

    Raises:
        OSError: it is gone, or none of ours to change.
    """
    vdso = _vdso()
    begin = address(process)
    with _stopped(process), (_PROC / str(process) / "mem").open("r+b", buffering=0) as memory:
        for number, (name, (before, after)) in enumerate(_FUNCTIONS.items()):
            entry, target = vdso.entries[name][0], vdso.free + number * _SPACE
            memory.seek(begin + target)
            memory.write(bytes.fromhex(before) + struct.pack("<i", seconds) + bytes.fromhex(after))
            memory.seek(begin + entry)
            memory.write(_JUMP + struct.pack("<i", target - entry - _JUMP_BYTES))


def reset_clock(process: int) -> None:
    """Let a process be told the right time again.

    Raises:
        OSError: it is gone, or none of ours to change.
    """
    begin = address(process)
    with _stopped(process), (_PROC / str(process) / "mem").open("r+b", buffering=0) as memory:
        for entry, code in _vdso().entries.values():
            memory.seek(begin + entry)
            memory.write(code)


def is_set(process: int) -> bool:
    """Whether a process is told another time; not so where it is gone.

    A child has it from its parent, and what a process executes begins without.
    """
    try:
        entries = _vdso().entries.values()
        begin = address(process)
        with (_PROC / str(process) / "mem").open("rb") as memory:
            for entry, code in entries:
                memory.seek(begin + entry)
                if memory.read(len(code)) != code:
                    return True
    except (OSError, LabError):
        # Where clocks cannot be set wrong, none is.
        pass
    return False


@contextlib.contextmanager
def _stopped(process: int) -> Iterator[None]:
    """A process none of whose threads runs meanwhile: none may be in the middle of what is written."""
    os.kill(process, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + _STOP_SECONDS
        while any(map(_runs, (_PROC / str(process) / "task").iterdir())) and time.monotonic() < deadline:
            time.sleep(0.001)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def _runs(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in "RS"
    except OSError:
        return False
