"""One document of a policy file, and where in the file each part of it stands."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """One object of Istio, Kubernetes or the Gateway API, as declared.

    Attributes:
        file: the file as the stack names it; for what a key of the stack file stands for, that key.
        line: first line of the document, from 1.
        body: the whole object.
        lines: line of each key and list item, by its path: ``("spec", "http", 0)``.
    """

    file: str
    line: int
    body: Mapping[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False)

    @property
    def api_version(self) -> str:
        """Its apiVersion; empty where it has none."""
        return str(self.body.get("apiVersion") or "")

    @property
    def group(self) -> str:
        """The API group: ``networking.istio.io``; empty for Kubernetes' own first one."""
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""

    @property
    def kind(self) -> str:
        """Its kind; empty where it has none."""
        return str(self.body.get("kind") or "")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata; empty where it has none."""
        return _mapping(self.body.get("metadata"))

    @property
    def name(self) -> str:
        """Its name; empty where it has none."""
        return str(self.metadata.get("name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace; empty where it has none."""
        return str(self.metadata.get("namespace") or "")

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations; one without a value is empty."""
        return {str(k): "" if v is None else str(v) for k, v in _mapping(self.metadata.get("annotations")).items()}

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec; empty where it has none, or one that is not a mapping."""
        return _mapping(self.body.get("spec"))

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What no two objects of one cluster share: group, kind, namespace, name."""
        return self.group, self.kind, self.namespace, self.name

    def line_of(self, *path: str | int) -> int:
        """Line of the key or item at ``path``, or of the nearest one above it that is there."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return self.line

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class PolicyFileError(ValueError):
    """A file that is not YAML.

    Attributes:
        file: the file as the stack names it.
        line: where the parser stopped, from 1.
        cause: what it did not understand.
    """

    def __init__(self, file: str, line: int, cause: str) -> None:
        self.file, self.line, self.cause = file, line, cause
        super().__init__(f"{file}:{line}: {cause}")


def parse(text: str, file: str) -> list[Document]:
    """Every document of a policy file, in order; empty ones are left out.

    Args:
        text: YAML, several documents.
        file: the file as the stack names it.

    Raises:
        PolicyFileError: the text is not YAML, a key stands twice in a mapping, or a document is not a mapping.
    """
    documents = []
    try:
        for node in yaml.compose_all(text, Loader=JsonLoader):
            if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
                continue
            line = node.start_mark.line + 1
            if not isinstance(node, yaml.MappingNode):
                raise PolicyFileError(file, line, "a document has to be one object: a mapping with apiVersion and kind")
            lines = dict(_lines(node, ()))
            documents.append(Document(file, line, _constructed(node), lines))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyFileError(file, mark.line + 1 if mark else 1, error.problem or str(error)) from error
    return documents


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class JsonLoader(_Base):  # type: ignore[misc]
    """YAML as Kubernetes reads it: JSON has no dates."""

    yaml_implicit_resolvers: Mapping[str, Any] = {
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


def _constructed(node: yaml.Node) -> dict[str, Any]:
    loader = yaml.SafeLoader("")
    try:
        # The keys of JSON are strings: the ports of portLevelMtls too.
        return dict(json.loads(json.dumps(loader.construct_document(node))))
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} stands twice", problem_mark=key.start_mark)
            seen.add(name)
            yield (*path, name), key.start_mark.line + 1
            yield from _lines(value, (*path, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _lines(item, (*path, index))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
