"""A lab's processes are found by their environment and ended, and no others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.commands import environment
from lab.processes import end, marked_processes

LAB = f"unit{os.getpid()}"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(started: list[subprocess.Popen[bytes]], lab: str, *command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=environment(lab, "machine1"))
    started.append(process)
    # The environment can be read as soon as the new program is in place of ours.
    for _ in range(100):
        if any(each.pid == process.pid for each in marked_processes(lab)):
            break
        time.sleep(0.02)
    return process


def test_the_processes_of_one_lab_are_found_with_their_machine(started: list[subprocess.Popen[bytes]]) -> None:
    mine = start(started, LAB, "sleep", "60")
    start(started, LAB + "x", "sleep", "60")
    (found,) = marked_processes(LAB)
    assert (found.pid, found.lab, found.machine) == (mine.pid, LAB, "machine1")
    assert found.is_alive()
    assert not found.is_machine_init


def test_ending_one_lab_leaves_the_other(started: list[subprocess.Popen[bytes]]) -> None:
    mine = start(started, LAB, "sleep", "60")
    other = start(started, LAB + "x", "sleep", "60")
    end(marked_processes(LAB), grace=5, name=LAB)
    assert mine.wait(timeout=5) == -15
    assert other.poll() is None


def test_a_process_that_ignores_sigterm_is_killed(started: list[subprocess.Popen[bytes]]) -> None:
    stubborn = start(started, LAB, "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    time.sleep(0.2)
    end(marked_processes(LAB), grace=0.3, name=LAB)
    assert stubborn.wait(timeout=5) == -9


def test_another_process_that_got_the_same_id_is_left_alone(started: list[subprocess.Popen[bytes]]) -> None:
    process = start(started, LAB, "sleep", "60")
    (found,) = marked_processes(LAB)
    end([replace(found, started=found.started - 1)], grace=0, name=LAB)
    assert process.poll() is None


def test_the_caller_is_never_among_them() -> None:
    code = f"from lab.processes import marked_processes; print(len(marked_processes({LAB!r})))"
    command = [sys.executable, "-c", code]
    variables = {**os.environ, **environment(LAB), "PATH": os.environ["PATH"]}
    printed = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout
    assert printed == "0\n"
