"""The real istioctl, asked about the lab."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Istioctl:
    """istioctl of one Istio version, with the contexts of the lab.

    Attributes:
        program: the binary.
        version: its version: their outputs differ.
        environment: what is set besides this process's own environment: KUBECONFIG.
    """

    program: Path
    version: str
    environment: dict[str, str]

    def run(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        """Run a command against one cluster's context to a good end; returns what it printed."""
        ended = self._ended(cluster, *arguments, stdin=stdin)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def said(self, cluster: str, *arguments: str) -> str:
        """What a command prints whose exit code is part of its verdict."""
        return self._ended(cluster, *arguments).stdout

    def _ended(self, cluster: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program), "--context", cluster, *arguments],
            env={**os.environ, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def remote_clusters(self, cluster: str) -> dict[str, str]:
        """Cluster name to state, as one cluster's istiod sees it."""
        lines = self.run(cluster, "remote-clusters").splitlines()
        at = lines[0].index("STATUS")
        return {line.split()[0]: line[at:].split()[0] for line in lines[1:] if line.strip()}

    def proxy_status(self, cluster: str) -> dict[str, set[str]]:
        """Proxy to the states of its configuration; kinds that a proxy never asked for are left out."""
        states: dict[str, set[str]] = {}
        verbose = [] if self.version == "1.22.3" else ["--verbosity", "1"]
        for line in self.run(cluster, "proxy-status", *verbose).partition("NAME ")[2].splitlines()[1:]:
            if line.strip():
                states[line.split(".")[0]] = set(re.findall(r"SYNCED|STALE|ERROR", line))
        return states
