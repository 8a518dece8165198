"""The mapping that declares the mesh: in the stack file itself, or in a file of its own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

from live.sources import fault
from topology import MeshConfigError, Problem

MESH, MESH_FILE = "spanmesh:mesh", "spanmesh:meshFile"
# Their content is Istio's or Kubernetes', where a key called `secret` is no source.
FREE_FORM = {"values", "annotations", "env", "nodeSelector", "resources"}


def declared_mesh(mesh: object, mesh_file: str | None, project: Path) -> object:
    """What declares the mesh.

    Args:
        mesh: value of ``spanmesh:mesh``; None or empty where it is not given.
        mesh_file: value of ``spanmesh:meshFile``: path of a YAML file with the same mapping; None where not given.
        project: folder of Pulumi.yaml, where a relative path starts.

    Raises:
        MeshConfigError: both are given, or the file cannot be used.
    """
    if not mesh_file:
        return mesh
    if mesh:
        raise fault(MESH_FILE, f"both {MESH} and {MESH_FILE} are given", "Keep the one that declares the mesh")
    path = project / Path(mesh_file).expanduser()
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise fault(MESH_FILE, f"cannot read {path}: {error.strerror}", "Correct the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise fault(MESH_FILE, f"{path}{where} is not YAML", "Correct it there") from None
    if not isinstance(document, dict):
        raise fault(MESH_FILE, f"{path} holds no mapping", f"Write there what would stand under {MESH}")
    refuse_plain_secrets(document, f"{path}: ", "Pulumi encrypts nothing in that file: use `env`, `path` or `stack`")
    return document


def program_mesh(config: pulumi.Config) -> object:
    """What declares the mesh, within the Pulumi program: secrets in it are in plain, in memory.

    Raises:
        MeshConfigError: as of :func:`declared_mesh`; or a secret stands in the stack file without being encrypted.
    """
    mesh = config.get_object("mesh")
    if mesh and not pulumi.runtime.is_config_secret(MESH):
        refuse_plain_secrets(mesh, f"{MESH}.")
    return declared_mesh(mesh, config.get("meshFile"), Path.cwd())


def has_secrets(config: object) -> bool:
    """Whether something in the content of a stack file is encrypted by Pulumi."""
    if isinstance(config, Mapping):
        return set(config) == {"secure"} or any(has_secrets(value) for value in config.values())
    return isinstance(config, list) and any(has_secrets(value) for value in config)


def refuse_plain_secrets(document: object, prefix: str, cure: str | None = None) -> None:
    """Raise MeshConfigError where the text of a source's ``secret`` stands in a file as it is.

    Args:
        document: content of the file, as parsed from YAML: what Pulumi has encrypted is a mapping with ``secure``.
        prefix: what comes before each key path.
        cure: what to do instead of encrypting it.
    """
    problems = [
        Problem(
            prefix + path,
            "the secret stands there in plain text",
            cure
            or f"Take it for known by others; encrypt a new one: pulumi config set --path --secret '{prefix}{path}'",
        )
        for path in _plain_secrets(document, "")
    ]
    if problems:
        raise MeshConfigError(problems)


def _plain_secrets(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plain_secrets(item, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            at = f"{path}.{name}" if path else str(name)
            if name == "secret" and isinstance(item, str):
                yield at
            elif name not in FREE_FORM:
                yield from _plain_secrets(item, at)
