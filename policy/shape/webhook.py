"""What istiod's webhook refuses although the CRDs allow it: the rules of webhook.yaml."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policy.document import Document
from policy.finding import Finding, at
from policy.shape.cel_rules import Broken, RuleTree
from policy.shape.errors import dotted
from policy.shape.formats import FUNCTIONS
from policy.shape.kinds import ISTIO_GROUPS
from policy.shape.rules import REFUSED_BY_ISTIOD, TYPES_MISSING

RULES_FILE = Path(__file__).with_name("webhook.yaml")


def refused(document: Document) -> Iterator[Finding]:
    """Why istiod's webhook would refuse a document whose shape is right.

    Args:
        document: of a kind of Istio's; of others nothing is said.
    """
    trees = _trees()
    if document.group not in ISTIO_GROUPS or document.kind not in trees:
        return
    body = _given({**document.body, "metadata": document.metadata, "spec": document.spec})
    for broken in trees[document.kind].broken(body):
        if isinstance(broken, Broken):
            said = f"{dotted(broken.path) if broken.path else document.kind} {broken.says}"
            if broken.unknown or broken.error:
                why = broken.unknown or broken.error
                yield at(document, broken.path, TYPES_MISSING, f"cannot be judged here: {said} ({why})")
            else:
                yield at(document, broken.path, REFUSED_BY_ISTIOD, said)


@cache
def _trees() -> Mapping[str, RuleTree]:
    loaded = yaml.safe_load(RULES_FILE.read_text("utf-8"))
    common = loaded["all"]["rules"]
    return {
        kind: RuleTree(_schema({**rules, "rules": [*common, *rules.get("rules", ())]}), FUNCTIONS)
        for kind, rules in loaded["kinds"].items()
    }


def _schema(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of a value and of all below it, as a CRD would hold them."""
    schema: dict[str, Any] = {
        "x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules.get("rules", ())],
        "properties": {},
    }
    for key, below in rules.items():
        if key == "{}":
            schema["additionalProperties"] = _schema(below)
        elif key.endswith("[]"):
            schema["properties"][key.removesuffix("[]")] = {"items": _schema(below)}
        elif key != "rules":
            schema["properties"][key] = _schema(below)
    return schema


def _given(value: Any) -> Any:
    """The value without what to protobuf is not there: null, and lists without items."""
    if isinstance(value, Mapping):
        return {key: _given(each) for key, each in value.items() if each is not None and each != []}
    return [_given(each) for each in value] if isinstance(value, list) else value
