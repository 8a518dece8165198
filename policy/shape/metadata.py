"""What the metadata of every object may hold, as the API server checks it."""

from typing import Any

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
QUALIFIED = SUBDOMAIN.replace("^", "^(").replace("$", "/)?") + r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

OBJECT_META: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 253, "pattern": SUBDOMAIN},
        "namespace": {"type": "string", "maxLength": 63, "pattern": LABEL},
        "labels": {
            "type": ["object", "null"],
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
            "propertyNames": {"pattern": QUALIFIED},
        },
        "annotations": {
            "type": ["object", "null"],
            "additionalProperties": {"type": "string"},
            "propertyNames": {"pattern": QUALIFIED.replace("a-z0-9", "A-Za-z0-9")},
        },
        "finalizers": {"type": ["array", "null"], "items": {"type": "string"}},
        "ownerReferences": {"type": ["array", "null"], "items": {"type": "object"}},
        "managedFields": {"type": ["array", "null"], "items": {"type": "object"}},
        "generateName": {"type": "string"},
        "generation": {"type": "integer"},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
        "uid": {"type": "string"},
        "creationTimestamp": {"type": ["string", "null"]},
        "deletionTimestamp": {"type": ["string", "null"]},
        "deletionGracePeriodSeconds": {"type": ["integer", "null"]},
    },
    "additionalProperties": False,
}
