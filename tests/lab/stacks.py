"""Stacks of the tests: the lab's stack file with changes, in a project folder and a backend of their own."""

import copy
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiStack
from live.kubeconfig import ClusterAccess

LINKED = [
    "__main__.py",
    "Pulumi.yaml",
    "components",
    "judges",
    "live",
    "policy",
    "toolchain",
    "topology",
    ".venv",
    ".charts",
]


@dataclass
class LabStack:
    """One stack on the test lab.

    Attributes:
        project: its project folder.
        environment: environment of the lab.
        name: the stack's name.
        config: the content of the stack file's ``config``; written by :meth:`write`.
    """

    project: Path
    environment: dict[str, str]
    name: str = "test"
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, project: Path, environment: dict[str, str], like: str = "lab") -> "LabStack":
        """A stack like the one of that name in stacks/, not yet up."""
        (project / "stacks").mkdir(parents=True)
        (project / "backend").mkdir()
        (project / "temporary").mkdir()
        for name in LINKED:
            (project / name).symlink_to(ROOT / name)
        example = yaml.safe_load((ROOT / f"stacks/Pulumi.{like}.yaml").read_text())
        backend = f"file://{project / 'backend'}?metadata=skip"  # as the lab's (docs/reliability.md)
        own = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "test"}
        # Pulumi's providers leave kubeconfigs there.
        own["TMPDIR"] = str(project / "temporary")
        stack = cls(project, {**environment, **own}, config=example["config"])
        stack.write()
        selected = stack.pulumi.select()
        assert selected.returncode == 0, selected.stdout
        return stack

    @property
    def mesh(self) -> dict[str, Any]:
        """The declared mesh, to be changed in place."""
        return dict(self.config)["spanmesh:mesh"]  # type: ignore[no-any-return]

    @property
    def path(self) -> Path:
        """The stack file."""
        return self.project / "stacks" / f"Pulumi.{self.name}.yaml"

    @property
    def pulumi(self) -> PulumiStack:
        """Pulumi on this stack."""
        return PulumiStack(self.project, self.name, self.environment)

    def write(self) -> None:
        """Write the stack file, keeping what Pulumi itself wrote there."""
        kept = yaml.safe_load(self.path.read_text()) if self.path.exists() else {}
        self.path.write_text(yaml.safe_dump({**kept, "config": copy.deepcopy(self.config)}, sort_keys=False))

    def read(self) -> None:
        """Take over what a command has written into the stack file."""
        self.config = yaml.safe_load(self.path.read_text())["config"]

    def load(self) -> Stack:
        """The stack as the `spanmesh` command reads it."""
        return load_stack(self.name, self.project)

    @property
    def accesses(self) -> dict[str, ClusterAccess]:
        """The clusters' kubeconfigs."""
        return self.load().accesses

    def up(self) -> str:
        """`pulumi up`, which has to work; returns what it printed."""
        ended = self.attempt("up", "--yes", "--skip-preview")
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def destroy(self) -> str:
        """`pulumi destroy`, which has to work; returns what it printed."""
        ended = self.attempt("destroy", "--yes", "--skip-preview")
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any `pulumi` command on the stack, its output captured."""
        return self.pulumi.run(*arguments, capture=True)
