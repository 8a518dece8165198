"""Programs that are already on the machine: on PATH, or where the user says."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from toolchain.cache import Tool
from toolchain.catalogue import FromPath, ToolSpec
from toolchain.errors import ToolError


def variable(spec: ToolSpec) -> str:
    """Environment variable in which the user may name the tool's path, e.g. ``SPANMESH_TOOL_PULUMI``."""
    return "SPANMESH_TOOL_" + re.sub(r"[^A-Z0-9]", "_", spec.id.upper())


def named_by_user(spec: ToolSpec, given: Mapping[str, Path]) -> Tool | None:
    """The tool at the path that the user named for it, in ``given`` (by id) or in the environment.

    Raises:
        ToolError: there is nothing, or a version that does not do.
    """
    path = given.get(spec.id)
    said = f"the path given for {spec.id}"
    if path is None and (value := os.environ.get(variable(spec))):
        path, said = Path(value).expanduser(), f"{variable(spec)}"
    return None if path is None else checked(spec, path, said)


def checked(spec: ToolSpec, path: Path, said: str) -> Tool:
    """The tool at ``path``; ``said`` is how the user named it, for messages.

    Raises:
        ToolError: there is nothing, or a version that does not do.
    """
    right_kind = path.is_dir() if spec.folder else path.is_file() and os.access(path, os.R_OK)
    if not right_kind:
        wanted = "folder" if spec.folder else "file"
        raise ToolError(f"{said} is {path}: there is no such {wanted}; correct it or leave it out")
    version = version_of(path, spec.path)
    if version is None and spec.path.version:
        raise ToolError(f"{said} is {path}, which does not tell its version (`{' '.join(spec.path.version)}`)")
    if version and not acceptable(version, spec.path):
        raise ToolError(
            f"{said} is {path}, version {version}; {spec.id} has to be {spec.path.accept}: name another or none"
        )
    return Tool(spec.id, version or "unknown", path.absolute(), "path")


def on_path(spec: ToolSpec, cache: Path) -> tuple[Tool | None, str | None]:
    """The tool on PATH, if its version does. What lies below ``cache`` is ours, not the machine's.

    Returns:
        The tool or None, and why a program of that name was passed over.
    """
    if spec.path.program is None:
        return None, None
    refused = None
    for folder in os.get_exec_path():
        found = shutil.which(spec.path.program, path=folder)
        if found is None:
            continue
        path = Path(found).absolute()
        if path.is_relative_to(cache):
            continue
        version = version_of(path, spec.path)
        if version and acceptable(version, spec.path):
            return Tool(spec.id, version, path, "path"), None
        if spec.path.companion is None:
            refused = refused or f"{path} is version {version or 'unknown'}, wanted is {spec.path.accept}"
    return None, refused


def version_of(path: Path, rule: FromPath) -> str | None:
    """What the program at ``path`` says its version is, or None if it does not say."""
    if rule.companion is not None:
        return COMPANIONS[rule.companion](path)
    if rule.version is None or rule.pattern is None:
        return None
    try:
        ran = subprocess.run([path, *rule.version], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rule.pattern, ran.stdout + ran.stderr)
    return match.group(1) if match else None


def _beside_pulumi(path: Path) -> str | None:
    """The language host has no version of its own: it belongs to the ``pulumi`` in the same folder."""
    rule = FromPath(version=["version"], pattern=r"v(\d\S*)")
    beside = path.resolve().parent / "pulumi"
    return version_of(beside, rule) if beside.is_file() else None


COMPANIONS = {"pulumi": _beside_pulumi}


def acceptable(version: str, rule: FromPath) -> bool:
    """Whether ``version`` is one that ``rule`` accepts."""
    if rule.accept is None:
        return True
    try:
        return SpecifierSet(rule.accept).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False
