"""The types of policy that an Istio version has, read from its CRDs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema_rs
import yaml

from policy.document import Document, JsonLoader
from policy.finding import Finding, at
from policy.shape.cel_rules import Repeated, RuleTree
from policy.shape.errors import dotted, findings, nearest
from policy.shape.kinds import is_known_elsewhere, is_policy
from policy.shape.metadata import OBJECT_META
from policy.shape.rules import BROKEN_RULE, NO_POLICY, TYPES_MISSING, UNKNOWN_KIND, WRONG_VALUE
from policy.shape.schema import Schema, defaulted, has_defaults, json_schema
from policy.shape.webhook import refused

Shape = Callable[[Document], list[Finding]]
"""What holds a document against types: ``Types.check``."""


@dataclass(frozen=True)
class Type:
    """One version of one kind."""

    group: str
    version: str
    kind: str
    schema: Schema

    @property
    def api_version(self) -> str:
        """``networking.istio.io/v1``."""
        return f"{self.group}/{self.version}"

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """Its JSON Schema, metadata included."""
        whole = json_schema(self.schema)
        fixed = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": OBJECT_META}
        # What a controller writes there is not the user's.
        return whole | {"properties": whole.get("properties", {}) | fixed | {"status": {}}, "required": ["metadata"]}

    @cached_property
    def rules(self) -> RuleTree:
        """Its CEL rules."""
        return RuleTree({"properties": {"spec": self.schema.get("properties", {}).get("spec", {})}})

    def check(self, document: Document) -> Iterator[Finding]:
        """What of the document is not of this type."""
        body = defaulted(self.schema, document.body) if self._has_defaults else document.body
        if errors := list(self._validator.iter_errors(body)):
            # Rules may take a right shape for granted, and the API server holds them against nothing else.
            yield from findings(document, errors, self.json_schema)
            return
        for broken in self.rules.broken(body):
            if isinstance(broken, Repeated):
                same = ", ".join(f"{key} {value}" for key, value in broken.keys.items())
                yield at(
                    document, broken.path, WRONG_VALUE, f"{dotted(broken.path)} has the same {same} as one above it"
                )
            elif broken.unknown:
                message = f"the rule {broken.says!r} of {dotted(broken.path)} cannot be judged here: {broken.unknown}"
                yield at(document, broken.path, TYPES_MISSING, message)
            else:
                yield at(document, broken.path, BROKEN_RULE, f"{dotted(broken.path)}: {broken.says}")

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(self.json_schema, validate_formats=True)

    @cached_property
    def _has_defaults(self) -> bool:
        return has_defaults(self.schema)


class Types:
    """The types that documents are held against.

    Args:
        types: every version that the API server serves.
        missing: API groups whose types could not be had, and why.
    """

    def __init__(self, types: Sequence[Type], missing: Mapping[str, str] | None = None) -> None:
        self._types = {(each.api_version, each.kind): each for each in types}
        self._missing = dict(missing or {})

    @classmethod
    def of(cls, crd_texts: Sequence[str], missing: Mapping[str, str] | None = None) -> "Types":
        """The types of CustomResourceDefinitions; what else the texts hold is passed over.

        Args:
            crd_texts: YAML, several documents each, as charts and releases ship them.
            missing: API groups whose types could not be had, and why: a warning for each document of theirs.

        Raises:
            ValueError: a text is not YAML.
        """
        try:
            crds = [crd for text in crd_texts for crd in yaml.load_all(text, Loader=JsonLoader)]
        except yaml.YAMLError as cause:
            raise ValueError(f"the CRDs are not YAML: {cause}") from cause
        return cls([each for crd in crds for each in _of(crd)], missing)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why types are missing, each reason once."""
        return tuple(dict.fromkeys(self._missing.values()))

    def reason(self, group: str) -> str | None:
        """Why the types of an API group are missing; None where they are there."""
        return self._missing.get(group)

    def has(self, api_version: str, kind: str) -> bool:
        """Whether there is this version of this kind."""
        return (api_version, kind) in self._types

    def rules(self) -> Iterator[tuple[str, str]]:
        """Every CEL rule, after the kind that it is of."""
        for each in self._types.values():
            for rule in each.rules.rules():
                yield each.kind, rule

    def check(self, document: Document) -> list[Finding]:
        """What of a document is not of the type that it says it is.

        Args:
            document: with its lines, so that each finding names one.
        """
        if known := self._types.get((document.api_version, document.kind)):
            if is_policy(known.group, known.kind):
                found = list(known.check(document))
                if any(finding.rule is not BROKEN_RULE for finding in found):
                    return found
                # What a newer CRD refuses by a rule of its own is not said twice.
                lines = {finding.line for finding in found}
                return [*found, *(finding for finding in refused(document) if finding.line not in lines)]
            return [self._no_policy(document)]
        if is_known_elsewhere(document.group, document.kind):
            return [self._no_policy(document)]
        return [self._unknown(document)]

    def _no_policy(self, document: Document) -> Finding:
        return at(document, ("kind",), NO_POLICY, f"{document.kind} ({document.api_version}) is no traffic policy")

    def _unknown(self, document: Document) -> Finding:
        api_version, kind = document.api_version, document.kind
        if missing := [key for key, value in (("apiVersion", api_version), ("kind", kind)) if not value]:
            return at(document, (), UNKNOWN_KIND, f"the object has no {' and no '.join(missing)}")
        if reason := self._missing.get(document.group):
            return at(document, ("apiVersion",), TYPES_MISSING, f"its shape was not looked at: {reason}")
        policy = [each for each in self._types.values() if is_policy(each.group, each.kind)]
        if versions := sorted(each.api_version for each in policy if each.kind == kind):
            near = nearest(api_version, versions)
            cure = f"Did you mean {near}?" if near else f"Known: {', '.join(versions)}"
            return at(document, ("apiVersion",), UNKNOWN_KIND, f"{kind} has no apiVersion {api_version!r}", cure=cure)
        kinds = sorted({each.kind for each in policy})
        near = nearest(kind, kinds)
        cure = f"Did you mean {near}?" if near else f"Known: {', '.join(kinds)}"
        return at(document, ("kind",), UNKNOWN_KIND, f"there is no kind {kind!r} of {api_version}", cure=cure)


def _of(crd: Any) -> Iterator[Type]:
    if not isinstance(crd, Mapping) or crd.get("kind") != "CustomResourceDefinition":
        return
    spec = crd["spec"]
    for version in spec["versions"]:
        if version.get("served"):
            schema = version["schema"]["openAPIV3Schema"]
            yield Type(spec["group"], version["name"], spec["names"]["kind"], schema)
