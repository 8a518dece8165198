"""Objects that another installer applies, and how its claim on their fields is given up.

A field that another field manager holds, with another value, ends Pulumi's server-side apply in a conflict; a field
that nobody holds does not. https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.client.exceptions import ApiException

from live.drift.managers import Managers
from live.policy.api import Api, Kind

MANAGER = "spanmesh"
NOT_FOUND = 404


def read(api: Api, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
    """One object with its managedFields; None: it is not there, or its kind is not."""
    try:
        return dict(api.get(kind.path(namespace, name)))
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return None


def is_of_another(live: Mapping[str, Any]) -> bool:
    """Whether somebody applies an object, and Pulumi does not."""
    managers = [each["manager"] for each in _entries(live) if not each.get("subresource")]
    return any(m != MANAGER for m in managers) and not is_of_pulumi(live)


def is_of_pulumi(live: Mapping[str, Any]) -> bool:
    """Whether Pulumi has applied an object."""
    return bool(Managers.of(live).of_pulumi)


def released(live: Mapping[str, Any], *changes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The JSON patch after which nobody holds the object's fields; they keep their values.

    Args:
        live: the object as it was read.
        changes: further operations of the patch.
    """
    kept = [each for each in _entries(live) if each.get("subresource")]
    # Without any entry Kubernetes would give all fields to a manager `before-first-apply`, and the conflict is back.
    holds_nothing = {
        "manager": MANAGER,
        "operation": "Update",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": {".": {}}}},
    }
    fields = {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, holds_nothing]}
    return [fields, *changes]


def _entries(live: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return live["metadata"].get("managedFields") or ()
