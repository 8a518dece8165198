"""What a JSON Schema validator says, as findings that name the field, what is there, and what is meant."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from policy.document import Document, Path
from policy.finding import Finding, at
from policy.shape.rules import UNKNOWN_FIELD, WRONG_VALUE

TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
LONGEST = 60


def findings(document: Document, errors: Sequence[jsonschema_rs.ValidationError], schema: Any) -> Iterator[Finding]:
    """A finding for each error.

    Args:
        document: what was validated.
        errors: what the validator found.
        schema: the JSON Schema that it was made from.
    """
    misspelt: set[tuple[Path, str]] = set()
    for error in errors:
        if error.kind.name == "additionalProperties":
            path = tuple(error.instance_path)
            known = _known(schema, error.schema_path)
            for name in error.kind.as_dict()["unexpected"]:
                if near := nearest(name, known):
                    misspelt.add((path, near))
                yield _unknown(document, (*path, name), name, known, near)
    for error in errors:
        path = tuple(error.instance_path)
        if error.kind.name == "additionalProperties":
            continue
        if error.kind.name == "required" and (path, error.kind.as_dict()["property"]) in misspelt:
            # The misspelt field is the missing one.
            continue
        yield at(document, path, WRONG_VALUE, f"{dotted(path)} {_wrong(error, schema)}")


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The one of ``known`` that ``name`` most looks like, whatever its case; None if none does."""
    folded = {each.lower().replace("_", ""): each for each in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def dotted(path: Path) -> str:
    """A path as people write it: ``spec.http[0].route``; ``the object`` for its top."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.lstrip(".") or "the object"


def _unknown(document: Document, path: Path, name: str, known: Sequence[str], near: str | None) -> Finding:
    message = f"{dotted(path[:-1])} has no field {name!r}"
    if near:
        cure = f"Did you mean {near!r}?"
    elif known:
        cure = f"Known here: {', '.join(known)}"
    else:
        cure = "Nothing may stand below it"
    return at(document, path, UNKNOWN_FIELD, message, cure=cure)


def _known(schema: Any, path: Sequence[str | int]) -> list[str]:
    return sorted(_below(schema, path[:-1]).get("properties", {}))


def _below(schema: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        schema = schema[step]
    return schema


def _wrong(error: jsonschema_rs.ValidationError, schema: Any) -> str:
    kind = error.kind.as_dict()
    name = error.kind.name
    value = shown(error.instance)
    if name in ("oneOf", "anyOf", "not"):
        return _alternatives(error, schema)
    said = {
        "type": lambda: f"has to be {_types(kind['types'])}, is {value}",
        "required": lambda: f"lacks the field {kind['property']!r}",
        "enum": lambda: f"is {value}; {_options(error.instance, kind['options'])}",
        "pattern": lambda: f"is {value}, which does not match {kind['pattern']}",
        "format": lambda: f"is {value}, which is no {kind['format']}",
        "propertyNames": lambda: f"has a key that is not allowed: {error.message}",
    }
    return said[name]() if name in said else f"is not allowed: {error.message}"


def _types(types: Sequence[str]) -> str:
    return " or ".join(TYPE_NAMES[each] for each in types if each != "null")


def _options(value: Any, options: Sequence[Any]) -> str:
    known = [str(each) for each in options if each is not None]
    near = nearest(str(value), known)
    return f"it has to be one of {', '.join(known)}" + (f"; did you mean {near}?" if near else "")


def _alternatives(error: jsonschema_rs.ValidationError, schema: Any) -> str:
    """Of fields that exclude each other, which were given; Istio's way to write a oneof of protobuf."""
    names = sorted(set(_required(_below(schema, error.schema_path))))
    if names and isinstance(error.instance, Mapping):
        given = [name for name in names if name in error.instance]
        if len(given) > 1:
            return f"has {' and '.join(given)}, of which only one may stand"
        if not given:
            return f"needs one of {', '.join(names)}"
    return f"is not allowed: {error.message}"


def _required(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from schema.get("required", ())
        for key in ("oneOf", "anyOf", "allOf", "not"):
            yield from _required(schema.get(key))
    elif isinstance(schema, list):
        for each in schema:
            yield from _required(each)


def shown(value: Any) -> str:
    """A value in a message: short, and a mapping or list by name only."""
    if isinstance(value, Mapping | list):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "empty (null)", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
