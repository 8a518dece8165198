"""How long `spanmesh verify` takes, and its memory: python -m bench.verify --help.

Needs a mesh that is up, and the shell of `spanmesh env` for its lab. Each run is a process of its own, as users start
it, so that its seconds include starting Python, making the probe and removing it.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.memory import PeakMemory
from bench.table import print_table, spread
from cli.console import err, fail
from cli.project import ROOT

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One run.

    Attributes:
        seconds: from start to end of the process.
        memory: its peak, in bytes, pages that it shares divided.
        last: the last line that it printed: what it found, and how long that took by its own clock.
    """

    seconds: float
    memory: int
    last: str


def measure(arguments: list[str]) -> Figure:
    """Run it once; ends the command where the mesh is not well."""
    command = [sys.executable, "-m", "cli", "verify", *arguments]
    started = time.monotonic()
    with PeakMemory() as memory:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if ended.returncode:
        fail(f"verify ended by {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return Figure(seconds, memory.peak.pss, ended.stdout.strip().splitlines()[-1])


def main(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack that is up.")] = "lab",
    cwd: Annotated[Path, typer.Option("--cwd", "-C", help="Folder of Pulumi.yaml.")] = ROOT,
    runs: Annotated[int, typer.Option(min=1, help="How often.")] = 3,
    disruptive: Annotated[bool, typer.Option("--disruptive", help="With the drills.")] = False,
    output: Annotated[Literal["text", "markdown"], typer.Option("--output", "-o", help="How to print.")] = "text",
) -> None:
    """Measure seconds and memory of `spanmesh verify`."""
    arguments = ["--stack", stack, "--cwd", str(cwd), *(["--disruptive"] if disruptive else [])]
    found = []
    for number in range(runs):
        err.print(f"[bold]==>[/] run {number + 1} of {runs}")
        found.append(measure(arguments))
        err.print(f"    {found[-1].seconds:.1f} s: {found[-1].last}", markup=False)
    what = "verify with drills" if disruptive else "verify"
    figures = (what, str(runs), spread([f.seconds for f in found]), f"{max(f.memory for f in found) // MEBIBYTE} MiB")
    print_table(("command", "runs", "seconds", "memory"), [figures], markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    typer.run(main)
