"""The `spanmesh` command on a stack of the tests, in a process of its own."""

import os
import subprocess
import sys

from cli.project import ROOT
from tests.lab.stacks import LabStack


def spanmesh(stack: LabStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    process = started(stack, *arguments)
    printed, told = process.communicate(timeout=900)
    return subprocess.CompletedProcess(arguments, process.returncode, printed, told)


def started(stack: LabStack, *arguments: str) -> subprocess.Popen[str]:
    """Start it, as the leader of a process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments, "--stack", stack.name, "--cwd", str(stack.project)],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
