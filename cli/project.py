"""The Pulumi project and the stack that a command is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.pulumi import PulumiError, PulumiStack
from cli.stack_files import stack_config
from live.declaration import MESH, MESH_FILE, declared_mesh, has_secrets, refuse_plain_secrets
from live.kubeconfig import ClusterAccess, read_accesses
from live.sources import Sources, StackOutputsError
from topology import Mesh, MeshConfigError, Problem, load_mesh, members
from topology.division import GROUP

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stack:
    """A stack, as its file declares it.

    Attributes:
        project: folder of Pulumi.yaml.
        name: the stack's name.
        mesh: the declared mesh.
        sources: reads what the stack file names and does not hold itself.
        accesses: the kubeconfig of each cluster that the stack has to do with, by Istio's cluster name.
    """

    project: Path
    name: str
    mesh: Mesh
    sources: Sources
    accesses: dict[str, ClusterAccess]


def load_stack(name: str | None, project: Path = ROOT) -> Stack:
    """The stack called ``name``; the one that Pulumi has selected where it is None.

    Raises:
        MeshConfigError: no such stack file, or what it declares is wrong.
        PulumiError: Pulumi cannot decrypt the secrets in it.
    """
    name = name or selected_stack(project)
    config = stack_config(project, name)
    refuse_plain_secrets(config.get(MESH), f"{MESH}.")
    if has_secrets(config.get(MESH)):
        config = {**config, MESH: _decrypted(PulumiStack(project, name, {}))}
    mesh = load_mesh(declared_mesh(config.get(MESH), config.get(MESH_FILE), project))
    sources = Sources(project, lambda stack: _outputs(project, stack))
    clusters = members(mesh, config.get(GROUP))
    return Stack(project, name, mesh, sources, read_accesses(mesh, clusters, sources))


def _decrypted(stack: PulumiStack) -> Any:
    """The value of ``spanmesh:mesh`` with its secrets in plain: for this process's memory only."""
    return stack.read("config", "--show-secrets", "--json")[MESH]["objectValue"]


def _outputs(project: Path, name: str) -> Mapping[str, Any]:
    try:
        return dict(PulumiStack(project, name, {}).read("stack", "output", "--show-secrets", "--json"))
    except PulumiError as error:
        raise StackOutputsError(str(error)) from error


def selected_stack(project: Path) -> str:
    """The stack that Pulumi has selected in a project; MeshConfigError where there is none."""
    name = PulumiStack.selected(project)
    if name is None:
        raise MeshConfigError(
            [Problem("--stack", f"no stack is selected in {project}", "Name one, or run `pulumi stack select NAME`")]
        )
    return name
