"""The generated parts of docs/configuration.md: a table of keys for every section of a stack file.

What a person wrote stands in the page itself; what lies between the two marks is written anew from the models.
"""

from collections.abc import Iterator
from typing import Any

from topology.schema import Schema, mesh_schema, stack_schema

BEGIN = "<!-- Written by `spanmesh reference` from topology/: change the models there, not this. -->"
END = "<!-- End of what is written by `spanmesh reference`. -->"
PLAIN_TYPES = {"string": "text", "integer": "number", "boolean": "true or false", "object": "mapping", "null": ""}


class NoMarksError(ValueError):
    """The page has lost the marks between which the tables stand."""


def with_tables(page: str) -> str:
    """The page with its tables written anew.

    Raises:
        NoMarksError: the marks are not there, each once and in order.
    """
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise NoMarksError(f"docs/configuration.md needs these two lines, once and in this order:\n{BEGIN}\n{END}")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def tables() -> str:
    """A section with a table for ``config`` and for every model of the mesh, in the order in which they are met."""
    whole = stack_schema()
    # As the model has it: in the stack's schema a `secret` is what Pulumi makes of the text.
    config: Schema = whole["properties"]["config"]
    sections = {**whole["definitions"], "Mesh": mesh_schema(), "Sample": config["properties"]["spanmesh:sample"]}
    config["properties"]["spanmesh:mesh"]["$ref"] = "#/definitions/Mesh"
    config["properties"]["spanmesh:sample"]["$ref"] = "#/definitions/Sample"
    lines = ["", "### config", "", *_table({**config, "required": []})]
    for name, paths in _paths(config, sections).items():
        where = ", ".join(f"`{path}`" for path in paths)
        lines += [
            "",
            f"### {name}",
            "",
            f"{where}\n",
            _prose(sections[name]["description"]),
            "",
            *_table(sections[name]),
        ]
    return "\n".join(lines) + "\n"


def _paths(config: Schema, sections: dict[str, Schema]) -> dict[str, list[str]]:
    """For each section the paths at which it stands."""
    found: dict[str, list[str]] = {}

    def visit(schema: Schema, at: str) -> None:
        for key, below in schema.get("properties", {}).items():
            path = f"{at}.{key}" if at else key
            for name, suffix in _references(below):
                found.setdefault(name, []).append(path + suffix)
                visit(sections[name], "" if name == "Mesh" else path + suffix)

    visit(config, "")
    return found


def _references(schema: Schema) -> Iterator[tuple[str, str]]:
    """The sections that a key leads to, and what is added to its path to be there."""
    if "$ref" in schema:
        yield schema["$ref"].rsplit("/", 1)[-1], ""
    for kind in ("anyOf", "oneOf"):
        for branch in schema.get(kind, []):
            yield from _references(branch)
    if "items" in schema:
        yield from ((name, f"[]{suffix}") for name, suffix in _references(schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from ((name, f".<name>{suffix}") for name, suffix in _references(schema["additionalProperties"]))


def _table(section: Schema) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|--|--|--|--|"
    for key, schema in section["properties"].items():
        default = "required" if key in section.get("required", []) else _default(schema)
        cells = (f"`{key}`", _type(schema), default, _prose(schema.get("description", "")))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(schema: Schema) -> str:
    return f"`{_shown(schema['default'])}`" if schema.get("default") not in (None, "", [], {}) else ""


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            return " or ".join(words for words in map(_type, schema[kind]) if words)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return _mapping(schema) if schema.get("type") == "object" else _scalar(schema)


def _scalar(schema: Schema) -> str:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return PLAIN_TYPES[schema["type"]] + (f", at least {least}" if least else "")


def _mapping(schema: Schema) -> str:
    if "secure" in schema.get("properties", {}):
        return "encrypted text"
    below = schema.get("additionalProperties")
    return f"mapping of {_type(below)}" if isinstance(below, dict) else "mapping"


def _prose(text: str) -> str:
    """One line; each paragraph of a docstring joined to the next. What looks like an HTML tag is none."""
    return " ".join(text.split()).replace("<", "&lt;")
