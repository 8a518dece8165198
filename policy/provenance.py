"""What every applied object says of where it came from."""

import copy
import hashlib
import json
import re
from typing import Any

from policy.document import Document

STACK = "spanmesh.io/stack"
FILE = "spanmesh.io/file"
SPEC_HASH = "spanmesh.io/spec-hash"
# A field that somebody changed by hand is the stack's again with the next change of the object, where an apply would
# end in a conflict: https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
TAKE_BACK = {"pulumi.com/patchForce": "true"}
LABEL_LENGTH = 63


def applied(document: Document, stack: str) -> dict[str, Any]:
    """The object as it is applied: its own body, with the labels of stack, file and spec.

    Args:
        document: as declared.
        stack: the stack's name.
    """
    body = copy.deepcopy(dict(document.body))
    metadata = body.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels(document, stack)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **TAKE_BACK, FILE: document.file}
    return body


def labels(document: Document, stack: str) -> dict[str, str]:
    """The labels: the stack, the file (``/`` as ``.``), and a hash of everything but metadata.

    Args:
        document: as declared.
        stack: the stack's name.
    """
    return {STACK: label_value(stack), FILE: label_value(document.file), SPEC_HASH: spec_hash(document.body)}


def spec_hash(body: Any) -> str:
    """16 hexadecimal digits that change when anything but metadata and status of an object does."""
    meant = {key: value for key, value in body.items() if key not in {"metadata", "status"}}
    return hashlib.sha256(json.dumps(meant, sort_keys=True, default=str).encode()).hexdigest()[:16]


def label_value(text: str) -> str:
    """The text as the value of a label: what a label may not hold becomes ``.``, and the end is what is kept.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    """
    return re.sub(r"[^A-Za-z0-9._-]+", ".", text)[-LABEL_LENGTH:].strip("._-")


def resource_name(component: str, cluster: str, document: Document) -> str:
    """Pulumi's name of an object in one cluster.

    Args:
        component: name of the component that mirrors it.
        cluster: Istio's cluster name.
        document: as declared.
    """
    return "-".join((component, cluster, document.kind.lower(), document.namespace, document.name))
