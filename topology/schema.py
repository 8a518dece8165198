"""JSON Schemas of a stack file and of a mesh file, made from the models: for editors, and for checks without Pulumi.

Draft 7, which is what the YAML language server of most editors knows.
"""

import copy
from collections.abc import Iterator
from typing import Any, get_args

from topology.clouds import cloud_names
from topology.declared import DNS_LABEL, Declared
from topology.defaults import CHARTS, HUB, TIMEOUT_SECONDS, VERSION
from topology.division import GROUP
from topology.model import Mesh, Sample

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
# What holds where neither cluster nor mesh says anything: the models leave these open so that one lies over the other.
SILENT = {
    "Istio": {
        "version": VERSION,
        "hub": HUB,
        "charts": CHARTS,
        "timeoutSeconds": TIMEOUT_SECONDS,
        "imagePullSecrets": [],
    }
}
SECURE: Schema = {
    "type": "object",
    "title": "encrypted",
    "description": "A Pulumi secret, as `pulumi config set --path --secret` writes it.",
    "properties": {"secure": {"type": "string", "title": "secure", "description": "The encrypted text."}},
    "required": ["secure"],
    "additionalProperties": False,
}


def stack_schema() -> Schema:
    """The schema of a whole Pulumi.<stack>.yaml; other keys of ``config`` are Pulumi's or another package's."""
    mesh, definitions = _of(Mesh)
    sample, of_sample = _of(Sample)
    for definition in definitions.values():
        _encrypted(definition)
    own = {
        "spanmesh:mesh": mesh,
        "spanmesh:meshFile": {
            "type": "string",
            "description": "Instead of spanmesh:mesh: a YAML file with that mapping; its path starts at Pulumi.yaml.",
        },
        GROUP: {
            "type": "string",
            "pattern": DNS_LABEL,
            "description": "This stack brings up only the clusters of that group; one of the mesh's `groups`.",
        },
        "spanmesh:sample": sample,
    }
    return {
        "$schema": DRAFT,
        "title": "Spanmesh stack file",
        "description": "Pulumi.<stack>.yaml of a Spanmesh stack: the mesh, and what else Pulumi keeps there.",
        "type": "object",
        "properties": {
            "config": {
                "title": "config",
                "description": "Configuration of the stack.",
                "type": "object",
                "properties": {name: {**schema, "title": name} for name, schema in own.items()},
                "propertyNames": {"anyOf": [{"not": {"pattern": "^spanmesh:"}}, {"enum": list(own)}]},
                "oneOf": [{"required": ["spanmesh:mesh"]}, {"required": ["spanmesh:meshFile"]}],
            }
        },
        "required": ["config"],
        "definitions": {**definitions, **of_sample},
    }


def mesh_schema() -> Schema:
    """The schema of a mesh file (``spanmesh:meshFile``); Pulumi encrypts nothing there, so it admits no ``secret``."""
    mesh, definitions = _of(Mesh)
    for definition in definitions.values():
        definition["properties"].pop("secret", None)
    return {"$schema": DRAFT, **mesh, "title": "Spanmesh mesh file", "definitions": definitions}


def _of(model: type[Declared]) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a model, and of the models below it by name."""
    whole = model.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions: dict[str, Schema] = whole.pop("$defs", {})
    for name, below in _models(model).items():
        schema = whole if below is model else definitions[name]
        schema["description"] = (below.__doc__ or "").replace("``", "`")
        for key, found in schema["properties"].items():
            found.update({"title": key, **_default(below, key)})
            if found.get("default", ...) is None:
                del found["default"]
    for found in _kubernetes_values(definitions):
        # Kubernetes takes these as text, and YAML reads some of them as numbers.
        found["additionalProperties"] = {"type": "string"}
    if "Cluster" in definitions:
        definitions["Cluster"]["properties"]["cloud"] |= {"anyOf": [{"enum": list(cloud_names())}, {"type": "null"}]}
    for name in ("Source", "Kubeconfig"):
        if name in definitions:
            definitions[name] |= _one_way(required=name == "Source")
    return whole, definitions


def _models(model: type[Declared]) -> dict[str, type[Declared]]:
    """A model and every model below it, by name."""
    found: dict[str, type[Declared]] = {}
    waiting: list[Any] = [model]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, Declared):
            if annotation.__name__ not in found:
                found[annotation.__name__] = annotation
                waiting += [field.annotation for field in annotation.model_fields.values()]
        else:
            waiting += get_args(annotation)
    return found


def _default(model: type[Declared], key: str) -> Schema:
    """The default of a key that its own schema does not say."""
    if key in SILENT.get(model.__name__, {}):
        return {"default": SILENT[model.__name__][key]}
    field = next(field for name, field in model.model_fields.items() if key in (field.alias, name))
    if field.default_factory is None:
        return {}
    made = field.get_default(call_default_factory=True, validated_data={})
    made = made.model_dump(by_alias=True, exclude_unset=True) if isinstance(made, Declared) else made
    # Of a section whose keys have defaults of their own, nothing is to be said here.
    return {"default": made} if made or isinstance(made, list) else {}


def _kubernetes_values(definitions: dict[str, Schema]) -> Iterator[Schema]:
    for name, keys in (("Gateway", ("annotations", "nodeSelector")), ("Resources", ("requests", "limits"))):
        if name in definitions:
            yield from (definitions[name]["properties"][key] for key in keys)


def _one_way(required: bool) -> Schema:
    """Exactly one of the four ways to a text; none where not ``required``; null is as good as absent."""
    ways: list[Schema] = [{"required": [way]} for way in ("path", "env", "secret", "stack")]
    none: list[Schema] = [] if required else [{"not": {"anyOf": copy.deepcopy(ways)}}]
    return {"oneOf": ways + none, "dependencies": {"stack": ["output"], "output": ["stack"]}}


def _encrypted(schema: Schema) -> None:
    """A ``secret`` stands in a stack file only as Pulumi encrypts it."""
    if "secret" in schema["properties"]:
        kept = {key: schema["properties"]["secret"][key] for key in ("title", "description")}
        schema["properties"]["secret"] = {**copy.deepcopy(SECURE), **kept}
