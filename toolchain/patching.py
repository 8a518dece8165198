"""Makes the edited copy of a Go module that a build asks for in its ``patch.yaml``."""

import shutil
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from toolchain.errors import ToolError


class Edit(BaseModel):
    """One replacement: ``old`` has to occur exactly once in ``file``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    old: str
    new: str


class FileCopy(BaseModel):
    """A file of the module that the build's own package embeds; ``to`` is relative to the build folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    target: str


class Patch(BaseModel):
    """Contents of ``patch.yaml``.

    Attributes:
        module, version, sum: the module to copy, with the hash that go.sum would carry.
        into: folder, relative to the build folder, that receives the copy.
        remove: folders of the copy to leave out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str
    version: str
    sum: str
    into: str
    remove: list[str]
    edits: list[Edit]
    copies: list[FileCopy]


def read_patch(folder: Path) -> Patch | None:
    """The patch of the build in ``folder``, or None where the build needs none."""
    path = folder / "patch.yaml"
    return Patch.model_validate(yaml.safe_load(path.read_text())) if path.exists() else None


def apply_patch(patch: Patch, module: Path, folder: Path) -> None:
    """Copy ``module`` (a folder of the module cache) into ``folder`` and edit the copy.

    Raises:
        ToolError: an edit does not fit the module exactly once.
    """
    copy = folder / patch.into
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(module, copy, copy_function=shutil.copyfile)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for removed in patch.remove:
        shutil.rmtree(copy / removed)
    for edit in patch.edits:
        path = copy / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ToolError(
                f"{patch.module}@{patch.version}: the edit of {edit.file} in {folder / 'patch.yaml'} does not fit "
                f"({text.count(edit.old)} places instead of 1); adapt patch.yaml to this version"
            )
        path.write_text(text.replace(edit.old, edit.new))
    for entry in patch.copies:
        shutil.copyfile(module / entry.source, folder / entry.target)
