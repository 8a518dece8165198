"""Which stacks a change of the repository concerns, and in what order they are brought up."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.stack_files import FOLDER, own_name, stack_config, stack_path
from live.declaration import MESH, MESH_FILE, declared_mesh
from topology.division import GROUP

# What every stack is made of.
PROGRAM = (
    "__main__.py",
    "Pulumi.yaml",
    "components",
    "envoy",
    "health",
    "judges",
    "live",
    "policy",
    "toolchain",
    "topology",
    "requirements.txt",
    "requirements",
)


class GitError(Exception):
    """git cannot say what changed."""


@dataclass(frozen=True)
class Changes:
    """What has to be previewed, and brought up.

    Attributes:
        changed: the stacks that the change concerns, in the order given.
        updates: three rounds of `pulumi up`: undivided stacks and those of trust and links; stacks of groups; once
            more the stacks of trust and links whose groups were in the second, as only clusters that are up are linked.
    """

    changed: tuple[str, ...]
    updates: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def changes(project: Path, stacks: Sequence[str], since: str) -> Changes:
    """What changed between a commit and HEAD.

    Args:
        project: folder of Pulumi.yaml, within a git repository.
        stacks: names as Pulumi takes them; each needs a file.
        since: a commit; empty: everything counts as changed.

    Raises:
        GitError: there is no such commit here.
        MeshConfigError: a stack has no file, or it cannot be read.
    """
    declared = {stack: stack_config(project, stack) for stack in stacks}
    files = changed_files(project, since) if since else None
    changed = tuple(
        stack for stack in stacks if files is None or _concerned(files, _files_of(project, stack, declared[stack]))
    )
    groups = tuple(stack for stack in changed if GROUP in declared[stack])
    whole = tuple(stack for stack in changed if GROUP not in declared[stack])
    linking = tuple(
        stack
        for stack in stacks
        if GROUP not in declared[stack] and {own_name(s) for s in groups} & _group_stacks(project, declared[stack])
    )
    return Changes(changed, (whole, groups, linking))


def changed_files(project: Path, since: str) -> list[str]:
    """Files of the project that differ from the last common commit of HEAD and ``since``, as paths from its folder.

    Raises:
        GitError: no such commit, or no repository.
    """
    command = ["git", "diff", "--name-only", "--no-renames", "--relative", "-z", "--end-of-options", f"{since}...HEAD"]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise GitError(f"git cannot compare {since} with HEAD: {ended.stderr.strip()}. A shallow clone may lack it")
    return [path for path in ended.stdout.split("\0") if path]


def _files_of(project: Path, stack: str, config: dict[str, Any]) -> set[str]:
    """Paths that make a stack what it is: its file, the program, and whatever file or folder its keys name."""
    named = {str(Path(text)) for text in (*_texts(config), *_texts(_mesh(project, config)))}
    # An empty text names no file; as a path it would be the whole project.
    return {*PROGRAM, f"{FOLDER}/{stack_path(project, stack).name}", *named} - {"."}


def _concerned(changed: Sequence[str], files: set[str]) -> bool:
    return any(str(part) in files for path in changed for part in (Path(path), *Path(path).parents))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _group_stacks(project: Path, config: dict[str, Any]) -> set[str]:
    mesh = _mesh(project, config)
    groups = mesh.get("groups") if isinstance(mesh, dict) else None
    return {own_name(str(group["stack"])) for group in (groups or {}).values()}


def _mesh(project: Path, config: dict[str, Any]) -> Any:
    return declared_mesh(config.get(MESH), config.get(MESH_FILE), project)
