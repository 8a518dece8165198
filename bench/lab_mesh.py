"""The lab's mesh of two clusters with the sample, up for as long as figures are taken, and its policy."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.updates import COMMANDS, stack_of
from cli.console import err, fail
from cli.project import load_stack
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
        path = self.project / "stacks" / f"Pulumi.{self.pulumi.name}.yaml"
        declared = yaml.safe_load(path.read_text())
        declared["config"]["spanmesh:mesh"]["policies"] = [*([POLICY] if documents else []), *map(dict, helpers)]
        path.write_text(yaml.safe_dump(declared, sort_keys=False))

    def up(self) -> None:
        """`pulumi up`; ends the command when it fails."""
        ended = self.pulumi.run(*COMMANDS["up, from nothing"], capture=True)
        if ended.returncode:
            fail(f"`pulumi up` failed:\n{ended.stdout}")


@contextmanager
def lab_mesh() -> Iterator[LabMesh]:
    """Bring it up on the lab of the environment, and destroy it afterwards, also when something fails."""
    with stack_of(CLUSTERS) as stack:
        err.print(f"[bold]==>[/] pulumi up: {CLUSTERS} clusters and the sample")
        project = stack.project
        mesh = LabMesh(project, stack, load_stack(stack.name, project).accesses)
        try:
            mesh.up()
            yield mesh
        finally:
            err.print("[bold]==>[/] pulumi destroy")
            stack.run(*COMMANDS["destroy"], capture=True)
