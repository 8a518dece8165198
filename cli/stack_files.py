"""What stands in the stack files of a project, as plain data: nothing is decrypted, nothing is resolved."""

from pathlib import Path
from typing import Any

import yaml

from topology import MeshConfigError, Problem

FOLDER = "stacks"


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
