"""The Pulumi project and the stack that a command is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.pulumi import PulumiStack
from live.kubeconfig import ClusterAccess, read_accesses
from topology import Mesh, MeshConfigError, Problem, load_mesh

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stack:
    """A stack, as its file declares it.

    Attributes:
        project: folder of Pulumi.yaml.
        name: the stack's name.
        mesh: the declared mesh.
        accesses: the kubeconfig of each cluster, by Istio's cluster name.
    """

    project: Path
    name: str
    mesh: Mesh
    accesses: dict[str, ClusterAccess]


def load_stack(name: str | None, project: Path = ROOT) -> Stack:
    """The stack called ``name``; the one that Pulumi has selected where it is None.

    Raises:
        MeshConfigError: no such stack file, or what it declares is wrong.
    """
    name = name or _selected(project)
    path = project / "stacks" / f"Pulumi.{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.name.split(".")[1] for p in path.parent.glob("Pulumi.*.yaml")))
        raise MeshConfigError([Problem("--stack", f"there is no {path}", f"Stacks here: {known or 'none'}")])
    document: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    mesh = load_mesh((document.get("config") or {}).get("spanmesh:mesh"))
    return Stack(project, name, mesh, read_accesses(mesh))


def _selected(project: Path) -> str:
    name = PulumiStack.selected(project)
    if name is None:
        raise MeshConfigError(
            [Problem("--stack", f"no stack is selected in {project}", "Name one, or run `pulumi stack select NAME`")]
        )
    return name
