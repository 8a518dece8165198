"""Running istioctl."""

import os
import subprocess
from pathlib import Path

SECONDS = 120


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """istioctl, without a cluster to ask.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run, or does not end.
    """
    environment = {**os.environ, "KUBECONFIG": os.devnull, "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False, env=environment
    )
