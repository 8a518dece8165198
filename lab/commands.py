"""Running programs of the base system, with errors that say what was tried."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

# Daemons and network tools live in sbin, which is not on every user's PATH.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LAB_MARKER = "SPANMESH_LAB_PROCESS"
MACHINE_MARKER = "SPANMESH_LAB_MACHINE"


def find_program(name: str) -> Path | None:
    """Where a program of the base system is, or None."""
    found = shutil.which(name, path=SEARCH_PATH)
    return Path(found) if found else None


def require_program(name: str) -> Path:
    """Where a program of the base system is.

    Raises:
        LabError: it is not installed.
    """
    found = find_program(name)
    if found is None:
        raise LabError(f"program {name} is not installed (looked in {SEARCH_PATH})")
    return found


def environment(lab: str, machine: str | None = None) -> dict[str, str]:
    """The environment of a process that belongs to a lab: nothing of the caller's but what Python needs.

    The marker lets `down` find the process after any crash.
    """
    tree = Path(__file__).resolve().parent.parent
    variables = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8", "HOME": "/", "PYTHONPATH": str(tree), LAB_MARKER: lab}
    if machine is not None:
        variables[MACHINE_MARKER] = machine
    return variables


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> str:
    """Run a command to its end and return what it printed.

    Args:
        command: program and arguments.
        stdin: text for its standard input, or None for none.
        env: its environment; None for the caller's with the system folders on PATH.
        timeout: seconds after which it is ended and counts as failed.

    Raises:
        LabError: it cannot be started, fails, or takes too long.
    """
    words = [str(word) for word in command]
    shown = " ".join(words)
    if env is None:
        env = {**os.environ, "PATH": SEARCH_PATH + ":" + os.environ.get("PATH", "")}
    try:
        done = subprocess.run(
            words, input=stdin or "", env=env, timeout=timeout, text=True, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise LabError(f"program {words[0]} is not installed (needed for `{shown}`)") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{shown}` did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing")[-800:]
        raise LabError(f"`{shown}` failed with exit code {done.returncode}: {said}")
    return done.stdout


def succeeds(command: Sequence[str | Path], *, timeout: float = 60) -> bool:
    """Whether a command ends with exit code 0."""
    try:
        run(command, timeout=timeout)
    except LabError:
        return False
    return True
