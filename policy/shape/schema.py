"""OpenAPI schemas of CRDs, as JSON Schema and with their defaults."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
# Keywords that mean the same in both.
SAME = frozenset(
    {"enum", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf", "maxLength", "minLength"}
    | {"pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required"}
)
RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
# Formats that the API server checks and JSON Schema knows under another or no name.
# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
FORMATS = {"date-time": "date-time", "date": "date", "ipv4": "ipv4", "ipv6": "ipv6", "uuid": "uuid", "uri": "uri"}


def json_schema(schema: Schema) -> dict[str, Any]:
    """The schema as JSON Schema 2020-12 that refuses unknown fields where the API server would drop them.

    Args:
        schema: a structural schema of a CRD.
    """
    out = _value(schema) | _type(schema)
    kind = schema.get("type")
    if "items" in schema:
        out["items"] = json_schema(schema["items"])
    if "properties" in schema:
        out["properties"] = {name: json_schema(each) for name, each in schema["properties"].items()}
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        out["additionalProperties"] = json_schema(additional)
    elif kind == "object" and additional is None and not schema.get("x-kubernetes-preserve-unknown-fields"):
        # What has neither properties nor this mark is a mapping of which every key would be dropped.
        out["additionalProperties"] = False
    return out


def has_defaults(schema: Schema) -> bool:
    """Whether anything below has a default."""
    if "default" in schema:
        return True
    below = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return any(has_defaults(each) for each in below if isinstance(each, Mapping))


def defaulted(schema: Schema, value: Any) -> Any:
    """The value with the defaults that the API server writes into it before it checks; the value itself is kept.

    Args:
        schema: a structural schema of a CRD.
        value: what the document has there.
    """
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        additional = schema.get("additionalProperties")
        rest = additional if isinstance(additional, Mapping) else {}
        whole = {name: defaulted(properties.get(name, rest), each) for name, each in value.items()}
        for name, each in properties.items():
            if "default" in each and (name not in whole or (whole[name] is None and not each.get("nullable"))):
                whole[name] = defaulted(each, each["default"])
        return whole
    if isinstance(value, list):
        return [defaulted(schema.get("items", {}), each) for each in value]
    return value


def _value(schema: Schema) -> dict[str, Any]:
    """What a schema says of the value itself; all that may stand within anyOf and its like."""
    out = {key: each for key, each in schema.items() if key in SAME}
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema and not schema.get("x-kubernetes-int-or-string"):
            out[key] = [_nested(each) for each in schema[key]]
    if "not" in schema:
        out["not"] = _nested(schema["not"])
    return out


def _type(schema: Schema) -> dict[str, Any]:
    """What a schema says of the value's type."""
    kind, named = schema.get("type"), schema.get("format", "")
    out: dict[str, Any] = {}
    if schema.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
    elif kind:
        out["type"] = [kind, "null"] if schema.get("nullable") else kind
        if schema.get("nullable") and "enum" in schema:
            out["enum"] = [*schema["enum"], None]
    if kind == "integer" and named in RANGES:
        low, high = RANGES[named]
        out["minimum"] = max(low, schema.get("minimum", low))
        out["maximum"] = min(high, schema.get("maximum", high))
    if kind == "string" and named in FORMATS:
        out["format"] = FORMATS[named]
    return out


def _nested(schema: Schema) -> dict[str, Any]:
    out = _value(schema)
    if "type" in schema:
        out["type"] = schema["type"]
    if "properties" in schema:
        out["properties"] = {name: _nested(each) for name, each in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping):
        out["items"] = _nested(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _nested(schema["additionalProperties"])
    return out
