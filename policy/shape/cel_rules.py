"""What JSON Schema cannot say of a CRD: its CEL rules (x-kubernetes-validations), and lists with unique keys."""

import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import cel
from cel.stdlib import EXTENSIONS

from policy.document import Path
from policy.shape.schema import Schema

# What CEL itself reserves: the API server escapes fields of these names.
# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
UNDEFINED = "Undefined variable or function"
TRANSITION = re.compile(r"\boldSelf\b")


@dataclass(frozen=True)
class Broken:
    """A rule that a value breaks.

    Attributes:
        path: of the value, from the document's top.
        says: the rule's own message, or the rule.
        unknown: why the rule could not be judged at all; None where it could.
        error: with what error it ended, where it did not say yes or no.
    """

    path: Path
    says: str
    unknown: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Repeated:
    """An item of a list that has the keys of one before it.

    Attributes:
        path: of the item, from the document's top.
        keys: the keys and their values.
    """

    path: Path
    keys: Mapping[str, Any]


class RuleTree:
    """The rules of a schema, where each stands.

    Args:
        schema: a structural schema of a CRD.
        functions: what its rules may call besides what Kubernetes has.
    """

    def __init__(self, schema: Schema, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._root = _node(schema, FUNCTIONS | dict(functions or {}))

    def broken(self, value: Any) -> Iterator[Broken | Repeated]:
        """Every rule that ``value`` breaks, and every item that a list of unique keys has twice.

        Rules on how a value may change (``oldSelf``) are left out: nothing here is known to have been there before.
        """
        if self._root is not None:
            yield from _walk(self._root, value, ())

    def rules(self) -> Iterator[str]:
        """Every rule of the tree."""
        yield from _texts(self._root)


class _Rule:
    """One rule, compiled when it is first needed."""

    def __init__(self, text: str, message: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.text, self.message, self._functions = text, message, functions
        self._context = cel.Context()
        self._program: cel.Program | None = None

    def judge(self, value: Any, path: Path) -> Broken | None:
        """What is to be said of a value; None where the rule holds."""
        says = self.message or self.text
        try:
            if self._program is None:
                self._program = cel.compile(self.text)
                used = {name: each for name in self._program.functions() if (each := self._functions.get(name))}
                self._context = cel.Context(functions=used)
            self._context.add_variable("self", value)
            return None if self._program.execute(self._context) else Broken(path, says)
        except (RuntimeError, TypeError, ValueError, LookupError) as cause:
            lacks = self._program is None or UNDEFINED in str(cause)
            return Broken(path, says, unknown=str(cause)) if lacks else Broken(path, says, error=str(cause))


@dataclass
class _Node:
    rules: list[_Rule] = field(default_factory=list)
    properties: dict[str, "_Node"] = field(default_factory=dict)
    items: "_Node | None" = None
    values: "_Node | None" = None
    escaped: Callable[[Any], Any] | None = None
    keys: tuple[str, ...] = ()


def _node(schema: Schema, functions: Mapping[str, Callable[..., Any]]) -> _Node | None:
    node = _Node()
    for rule in schema.get("x-kubernetes-validations") or ():
        if not TRANSITION.search(rule["rule"]):
            node.rules.append(_Rule(rule["rule"], str(rule.get("message") or "").strip(), functions))
    node.properties = {
        name: below for name, each in schema.get("properties", {}).items() if (below := _node(each, functions))
    }
    node.items = _node(schema["items"], functions) if isinstance(schema.get("items"), Mapping) else None
    additional = schema.get("additionalProperties")
    node.values = _node(additional, functions) if isinstance(additional, Mapping) else None
    if node.rules and _escapes(schema):
        node.escaped = lambda value: _escaped(schema, value)
    if schema.get("x-kubernetes-list-type") == "map":
        node.keys = tuple(schema["x-kubernetes-list-map-keys"])
    return node if node.rules or node.properties or node.items or node.values or node.keys else None


def _walk(node: _Node, value: Any, path: Path) -> Iterator[Broken | Repeated]:
    if value is None:
        return
    yield from _judged(node, value, path)
    if isinstance(value, Mapping):
        for name, each in value.items():
            if below := node.properties.get(name) or node.values:
                yield from _walk(below, each, (*path, name))
    elif isinstance(value, list) and node.items:
        for index, each in enumerate(value):
            yield from _walk(node.items, each, (*path, index))


def _judged(node: _Node, value: Any, path: Path) -> Iterator[Broken | Repeated]:
    if node.keys:
        yield from _repeated(node.keys, value, path)
    shown = node.escaped(value) if node.escaped else value
    for rule in node.rules:
        if broken := rule.judge(shown, path):
            yield broken


def _repeated(keys: tuple[str, ...], items: list[Any], path: Path) -> Iterator[Repeated]:
    seen: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        values = {key: item.get(key) for key in keys}
        if values in seen:
            yield Repeated((*path, index), values)
        seen.append(values)


def _texts(node: _Node | None) -> Iterator[str]:
    if node is None:
        return
    yield from (rule.text for rule in node.rules)
    for below in (*node.properties.values(), node.items, node.values):
        yield from _texts(below)


def _escapes(schema: Schema) -> bool:
    properties = schema.get("properties", {})
    below = [*properties.values(), schema.get("items"), schema.get("additionalProperties")]
    return any(_field(name) != name for name in properties) or any(
        _escapes(each) for each in below if isinstance(each, Mapping)
    )


def _escaped(schema: Schema, value: Any) -> Any:
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        additional = schema.get("additionalProperties")
        rest = additional if isinstance(additional, Mapping) else {}
        return {
            _field(name) if name in properties else name: _escaped(properties.get(name, rest), each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_escaped(schema.get("items") or {}, each) for each in value]
    return value


def _field(name: str) -> str:
    if name in RESERVED:
        return f"__{name}__"
    for plain, escaped in ESCAPES.items():
        name = name.replace(plain, escaped)
    return name


def _is_url(text: str) -> bool:
    """As Go reads a request's URL: absolute, or a path from the root; no spaces in the host, every % an escape."""
    try:
        parts = urllib.parse.urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if re.search(r"[\x00-\x20<>\"{}|\\^`%]", parts.netloc) or re.search(r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f]", text):
        return False
    return text.startswith("/") or bool(parts.scheme and (parts.netloc or parts.path.startswith("/")))


def _url(text: str) -> dict[str, str]:
    # Of what is no URL every part is empty; the API server ends such a rule with an error, and refuses too.
    parts = urllib.parse.urlsplit(text if _is_url(text) else "")
    return {
        "scheme": parts.scheme,
        "host": parts.netloc.rpartition("@")[2],
        "hostname": parts.hostname or "",
        "port": str(parts.port or ""),
        "path": urllib.parse.quote(parts.path, safe="/%"),
    }


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


# What Kubernetes adds to CEL, as far as CRDs use it: https://kubernetes.io/docs/reference/using-api/cel/
_OF_KUBERNETES: dict[str, Callable[..., Any]] = {
    "isURL": _is_url,
    "url": _url,
    "getScheme": itemgetter("scheme"),
    "getHost": itemgetter("host"),
    "getHostname": itemgetter("hostname"),
    "getPort": itemgetter("port"),
    "getEscapedPath": itemgetter("path"),
    "isIP": _is_ip,
    "isCIDR": _is_cidr,
}
FUNCTIONS: dict[str, Callable[..., Any]] = EXTENSIONS["strings"] | _OF_KUBERNETES
