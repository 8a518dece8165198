"""The lab's mesh with the sample, up for as long as figures are taken, its policy, and our own command on it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.updates import COMMANDS, stack_of
from cli.console import err, fail
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiStack
from live.kubeconfig import ClusterAccess

NAMESPACE = "sample"
POLICY = "bench-policy.yaml"
CLUSTERS = 2


@dataclass(frozen=True)
class LabMesh:
    """A mesh that is up.

    Attributes:
        project: its project folder.
        pulumi: its stack.
        accesses: the clusters, by Istio's name.
    """

    project: Path
    pulumi: PulumiStack
    accesses: Mapping[str, ClusterAccess]

    def declare(self, documents: Sequence[Mapping[str, Any]] = (), helpers: Sequence[Mapping[str, Any]] = ()) -> None:
        """Write this policy, and name it in the stack file instead of what was there."""
        (self.project / POLICY).write_text(yaml.safe_dump_all(map(dict, documents), sort_keys=False))
        with self._declared() as mesh:
            mesh["policies"] = [*([POLICY] if documents else []), *map(dict, helpers)]

    def declare_version(self, version: str) -> None:
        """Write this Istio version for all clusters, and that one far from it may follow."""
        with self._declared() as mesh:
            mesh["istio"]["version"] = version
            mesh["allowVersionSkew"] = True

    def up(self) -> None:
        """`pulumi up`; ends the command when it fails."""
        ended = self.pulumi.run(*COMMANDS["up, from nothing"], capture=True)
        if ended.returncode:
            fail(f"`pulumi up` failed:\n{ended.stdout}")

    def command(self, *arguments: str) -> float:
        """Run `spanmesh` on the stack, and show what it says; ends this command when it fails.

        Args:
            arguments: without stack and folder.

        Returns:
            Seconds that it took.
        """
        started = time.monotonic()
        which = ["--stack", self.pulumi.name, "--cwd", str(self.project)]
        environment = {**os.environ, **self.pulumi.environment}
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments, *which], cwd=ROOT, env=environment, check=False
        )
        if ended.returncode:
            fail(f"`spanmesh {' '.join(arguments)}` ended by {ended.returncode}")
        return time.monotonic() - started

    @contextmanager
    def _declared(self) -> Iterator[dict[str, Any]]:
        """The declared mesh, to be changed in place, and written when the block is over."""
        path = self.project / "stacks" / f"Pulumi.{self.pulumi.name}.yaml"
        declared = yaml.safe_load(path.read_text())
        yield declared["config"]["spanmesh:mesh"]
        path.write_text(yaml.safe_dump(declared, sort_keys=False))


@contextmanager
def lab_mesh(clusters: int = CLUSTERS, version: str | None = None) -> Iterator[LabMesh]:
    """Bring it up on the lab of the environment, and destroy it afterwards, also when something fails.

    Args:
        clusters: how many of the lab's.
        version: Istio's; None: that of the example.
    """
    with stack_of(clusters) as stack:
        err.print(f"[bold]==>[/] pulumi up: {clusters} clusters and the sample")
        project = stack.project
        mesh = LabMesh(project, stack, load_stack(stack.name, project).accesses)
        if version:
            mesh.declare_version(version)
        try:
            mesh.up()
            yield mesh
        finally:
            err.print("[bold]==>[/] pulumi destroy")
            stack.run(*COMMANDS["destroy"], capture=True)
