"""The resources of an exported state and of a preview, as Pulumi's JSON has them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

KUBERNETES = "pulumi:providers:kubernetes"
RELEASE = "kubernetes:helm.sh/v3:Release"
# How a secret and a value that is not known yet stand in Pulumi's JSON: sdk/go/common/resource/sig, plugin/rpc.go.
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN, HIDDEN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[secret]"
# What says where in the program a resource was declared, and what is computed anew.
NOT_KEPT = {"inputs", "outputs", "provider", "sourcePosition", "stackTrace"}


@dataclass(frozen=True)
class Planned:
    """A resource that the program declares, as a preview has it.

    Attributes:
        urn: its URN.
        type: Pulumi's type, for example ``kubernetes:core/v1:Secret``.
        custom: false: a component.
        new: whether the state does not know it.
        cluster: Istio's name of the cluster that it is in; None: in none.
        inputs: what is declared; secrets are :data:`HIDDEN`.
        rest: parent, dependencies and whatever else the state keeps of it.
    """

    urn: str
    type: str
    custom: bool
    new: bool
    cluster: str | None
    inputs: Json
    rest: Json

    @property
    def name(self) -> str:
        """Pulumi's name."""
        return name_of(self.urn)

    @property
    def parent(self) -> str | None:
        """URN of its parent."""
        return self.rest.get("parent")


def planned(preview: Json) -> list[Planned]:
    """What the program declares, each after what it depends on.

    Args:
        preview: what ``pulumi preview --json`` printed.
    """
    found = []
    for step in preview.get("steps") or []:
        state = step.get("newState")
        if state:
            rest = {key: value for key, value in state.items() if key not in NOT_KEPT}
            found.append(
                Planned(
                    state["urn"],
                    state["type"],
                    bool(state.get("custom")),
                    step["op"] == "create",
                    cluster_of(state),
                    state.get("inputs") or {},
                    rest,
                )
            )
    return found


def resources(state: Json) -> list[dict[str, Any]]:
    """The resources of an exported state, in its order; none of an empty one."""
    return list((state.get("deployment") or {}).get("resources") or [])


def name_of(urn: str) -> str:
    """Pulumi's name in a URN."""
    return urn.rsplit("::", 1)[-1]


def cluster_of(resource: Json) -> str | None:
    """Istio's name of the cluster that a resource is in; None: in none.

    A provider's reference ends in ``::<name>::<id>``, and its name is the cluster's.
    """
    parts = str(resource.get("provider") or "").split("::")
    return parts[-2] if len(parts) > 2 and parts[-3].endswith(KUBERNETES) else None


def secret(value: object) -> dict[str, str]:
    """A value as Pulumi reads a secret that is to be encrypted."""
    return {SIGNATURE: SECRET, "plaintext": json.dumps(value)}


def is_secret(value: object) -> bool:
    """Whether a value of a state is marked as a secret."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == SECRET


def revealed(value: Any) -> Any:
    """A value of a state that was exported with its secrets, without the mark of a secret."""
    return json.loads(value["plaintext"]) if is_secret(value) else value
