"""From the plain data of a stack file to a checked mesh."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from topology.checks import check
from topology.declared import Declared
from topology.errors import MeshConfigError, Problem
from topology.model import Mesh, Sample

Model = TypeVar("Model", bound=BaseModel)


def load_mesh(declared: object) -> Mesh:
    """The mesh that ``spanmesh:mesh`` declares.

    Args:
        declared: the value of the key, as parsed from YAML.

    Raises:
        MeshConfigError: with every problem found, each naming its key and the cure.
    """
    mesh = validated(Mesh, declared, "spanmesh:mesh")
    if problems := check(mesh):
        raise MeshConfigError(problems)
    return mesh


def load_sample(declared: object) -> Sample | None:
    """The example workload that ``spanmesh:sample`` declares; None where the key is absent."""
    return validated(Sample, declared, "spanmesh:sample") if declared else None


def validated(model: type[Model], declared: object, root: str) -> Model:
    """What is declared as its model.

    Args:
        model: what it has to be.
        declared: plain data, as parsed from YAML.
        root: the key under which it stands, for errors.

    Raises:
        MeshConfigError: with every problem found, each naming its key and the cure.
    """
    try:
        return model.model_validate(declared)
    except ValidationError as error:
        raise MeshConfigError([_problem(model, root, found) for found in error.errors()]) from error


def _problem(model: type[BaseModel], root: str, found: ErrorDetails) -> Problem:
    # pydantic adds the branch of a union to the path: it is no key of the file.
    steps = [step for step in found["loc"] if not (isinstance(step, str) and _is_branch(step))]
    key = root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    if found["type"] == "extra_forbidden":
        allowed = _keys_at(model, steps[:-1])
        near = difflib.get_close_matches(str(steps[-1]), allowed, n=1)
        meant = f"Did you mean `{near[0]}`? " if near else ""
        return Problem(key, "unknown key", f"{meant}Known here: {', '.join(allowed)}")
    if found["type"] == "missing":
        field = _field_help(model, steps)
        return Problem(key, "missing", f"Give {field}" if field else "Give it a value")
    help_text = _field_help(model, steps)
    cause = found["msg"][:1].lower() + found["msg"][1:]
    got = "" if steps and steps[-1] == "secret" else f", got {_shown(found['input'])}"
    return Problem(key, f"{cause}{got}", f"Expected: {help_text}" if help_text else "")


def _is_branch(step: str) -> bool:
    return bool(re.match(r"^(literal\[|list\[|function-)", step))


def _shown(value: Any) -> str:
    # What lies deeper may be a secret.
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _model_of(annotation: Any) -> type[Declared] | None:
    if isinstance(annotation, type) and issubclass(annotation, Declared):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (model := _model_of(part)) is not None:
            return model
    return None


def _descend(model: type[BaseModel], steps: Sequence[int | str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for step in steps:
        if isinstance(step, int) or current is None:
            continue
        field = next((f for f in current.model_fields.values() if f.alias == step), None)
        current = _model_of(field.annotation) if field else None
    return current


def _keys_at(model: type[BaseModel], steps: Sequence[int | str]) -> list[str]:
    found = _descend(model, steps)
    return [f.alias or name for name, f in found.model_fields.items()] if found else []


def _field_help(model: type[BaseModel], steps: Sequence[int | str]) -> str | None:
    names = [step for step in steps if isinstance(step, str)]
    if not names:
        return "a mapping with `clusters`"
    parent = _descend(model, names[:-1])
    if parent is None:
        return None
    return next((f.description for f in parent.model_fields.values() if f.alias == names[-1]), None)
