"""`spanmesh rotate` on a stack of the test lab: to its end, or killed with all that it has started."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.project import ROOT
from tests.lab.stacks import LabStack

# Far above what a stage takes on a machine that does much else.
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended.

    Attributes:
        code: exit code; negative: the signal by which it was killed.
        result: what it printed as JSON; None: nothing.
        said: its progress and its errors.
    """

    code: int
    result: Any
    said: str


def rotate(stack: LabStack, *arguments: str, kill_at: tuple[str, str] | None = None) -> Ended:
    """Run `spanmesh rotate ARGUMENTS`.

    Args:
        stack: whose root or intermediates.
        arguments: what comes after it.
        kill_at: two texts of its progress; once the second has come after the first, every process of it is killed.
    """
    progress = stack.project / "rotate.log"
    command = [
        str(ROOT / "spanmesh"),
        "rotate",
        *arguments,
        "--stack",
        stack.name,
        "--cwd",
        str(stack.project),
        "--yes",
    ]
    with (
        progress.open("w") as said,
        subprocess.Popen(
            [*command, "--output", "json"],
            env={**os.environ, **stack.environment},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        if kill_at:
            _await(progress, kill_at, process)
            os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate(timeout=LIMIT_SECONDS)
    return Ended(process.returncode, json.loads(printed) if printed.strip() else None, progress.read_text())


def _await(progress: Path, texts: tuple[str, str], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        first, found, after = progress.read_text().partition(texts[0])
        if found and texts[1] in after:
            return
        assert process.poll() is None, f"it ended before {texts}: {first}{after}"
        assert time.monotonic() < deadline, f"{texts} did not come: {first}{after}"
        time.sleep(0.05)
