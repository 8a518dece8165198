"""What stands in the stack files of a project, as plain data: nothing is decrypted, nothing is resolved."""

import re
from pathlib import Path
from typing import Any

import yaml

from live.declaration import MESH, MESH_FILE, declared_mesh, refuse_plain_secrets
from policy.document import Path as KeyPath
from policy.document import parse
from topology import Mesh, MeshConfigError, Problem, load_mesh

FOLDER = "stacks"
NOT_DECRYPTED = "(encrypted)"


def stack_names(project: Path) -> list[str]:
    """The stacks that have a file, sorted."""
    return sorted(path.name.split(".")[1] for path in (project / FOLDER).glob("Pulumi.*.yaml"))


def own_name(stack: str) -> str:
    """The last part of ``organization/project/stack``, ``organization/stack`` or ``stack``: its file has that name."""
    return stack.rsplit("/", 1)[-1]


def stack_path(project: Path, stack: str) -> Path:
    """The file of a stack.

    Args:
        project: folder of Pulumi.yaml.
        stack: its name, as Pulumi takes it.

    Raises:
        MeshConfigError: there is none.
    """
    path = project / FOLDER / f"Pulumi.{own_name(stack)}.yaml"
    if not path.exists():
        known = ", ".join(stack_names(project))
        raise MeshConfigError([Problem("--stack", f"there is no {path}", f"Stacks here: {known or 'none'}")])
    return path


def stack_config(project: Path, stack: str) -> dict[str, Any]:
    """The ``config`` of a stack file.

    Raises:
        MeshConfigError: no such file, or it is not YAML.
    """
    path = stack_path(project, stack)
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise MeshConfigError([Problem(str(path), f"it is not YAML{where}", "Correct it there")]) from None
    config = document.get("config") if isinstance(document, dict) else None
    return dict(config or {})


def undecrypted_mesh(config: dict[str, Any], project: Path) -> Mesh:
    """The mesh that a stack file's ``config`` declares, with a mark for each encrypted text in it.

    What follows from a mesh does not depend on them.

    Raises:
        MeshConfigError: what it declares is wrong.
    """
    refuse_plain_secrets(config.get(MESH), f"{MESH}.")
    return undecrypted(declared_mesh(config.get(MESH), config.get(MESH_FILE), project))


def undecrypted(mesh: object) -> Mesh:
    """The mesh that a mapping declares, with a mark for each encrypted text in it.

    Raises:
        MeshConfigError: what it declares is wrong.
    """
    return load_mesh(_without_ciphers(mesh))


def _without_ciphers(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return NOT_DECRYPTED
        return {key: _without_ciphers(below) for key, below in value.items()}
    return [_without_ciphers(item) for item in value] if isinstance(value, list) else value


def line_of_key(project: Path, stack: str, key: str) -> tuple[str, int]:
    """The file, told from the project's folder, and the line at which a key of the mesh stands.

    Args:
        project: folder of Pulumi.yaml.
        stack: the stack's name.
        key: its path, for example ``spanmesh:mesh.policies[0]``.
    """
    path = stack_path(project, stack)
    at: KeyPath = tuple(int(n) if n else word for word, n in re.findall(r"([^.[\]]+)|\[(\d+)\]", key))
    at = ("config", *at)
    if mesh_file := stack_config(project, stack).get(MESH_FILE):
        path, at = project / Path(mesh_file).expanduser(), at[2:]
    (document,) = parse(path.read_text(), path.name)
    name = path.relative_to(project) if path.is_relative_to(project) else path
    return name.as_posix(), document.line_of(*at)
