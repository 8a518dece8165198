"""Who set a field, as the API server keeps book of it in ``metadata.managedFields``.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Pulumi's provider, by itself (pulumi-kubernetes-…) and with Helm in it (pulumi-resource-kubernetes), and Helm.
INSTALLERS = ("pulumi-", "helm", "Helm")
# pulumi-kubernetes applies every object by a manager of its own, kept in the state, whose name begins so.
APPLIES = "pulumi-kubernetes"
# What they write is no drift: Kubernetes' own controllers, and istiod, which patches its webhooks.
CONTROLLERS = ("kube-", "cloud-controller-manager", "kubelet", "pilot-discovery", "pilot-agent")


@dataclass(frozen=True)
class Manager:
    """Who wrote to an object.

    Attributes:
        name: as it called itself: ``kubectl-edit``, ``argocd-controller``.
        time: when it last did, in RFC 3339; empty where the API server does not say.
    """

    name: str
    time: str = ""

    @property
    def installs(self) -> bool:
        """Whether it is Pulumi or Helm."""
        return self.name.startswith(INSTALLERS)

    @property
    def controls(self) -> bool:
        """Whether it is a controller of Kubernetes or Istio."""
        return self.name.startswith(CONTROLLERS)


@dataclass(frozen=True)
class Managers:
    """Who set a part of an object, and what is below it.

    Attributes:
        held: each manager, with the fields that it set below this part; no fields: this part with all below it.
        known: whether the API server keeps book of the object at all.
    """

    held: tuple[tuple[Manager, Mapping[str, Any]], ...] = ()
    known: bool = False

    @classmethod
    def of(cls, live: Mapping[str, Any]) -> "Managers":
        """Of a whole object, as the API server gives it. What was written to its status is left out."""
        entries = [
            (Manager(str(entry.get("manager") or ""), str(entry.get("time") or "")), entry.get("fieldsV1") or {})
            for entry in (live.get("metadata") or {}).get("managedFields") or []
            if entry.get("subresource") != "status"
        ]
        return cls(tuple(entries), bool(entries))

    def field(self, name: str) -> "Managers":
        """Of a field of this part."""
        return self._below(f"f:{name}")

    def item(self, item: Any, index: int) -> "Managers":
        """Of an item of this part, a list.

        Args:
            item: the item as it is live: in lists that Kubernetes merges, its key fields or its value tell it.
            index: its place.
        """
        return self._below(f"i:{index}", item)

    def _below(self, key: str, item: Any = None) -> "Managers":
        found = []
        for manager, fields in self.held:
            if not fields:
                found.append((manager, fields))
            elif key in fields:
                found.append((manager, fields[key]))
            elif item is not None:
                found += [(manager, below) for name, below in fields.items() if _names(name, item)]
        return Managers(tuple(found), self.known)

    @property
    def names(self) -> tuple[Manager, ...]:
        """Everybody who set this part or something below it."""
        return tuple(manager for manager, _ in self.held)

    @property
    def of_pulumi(self) -> str:
        """The name by which Pulumi applies the object; empty: it does not."""
        return next((manager.name for manager in self.names if manager.name.startswith(APPLIES)), "")

    def foreign(self) -> tuple[Manager, ...]:
        """Those who set it and are neither an installer nor a controller; empty where an installer set it too."""
        if any(manager.installs for manager in self.names):
            return ()
        return tuple(manager for manager in self.names if not manager.controls)


def latest(managers: Iterable[Manager]) -> Manager | None:
    """The one that wrote last; None where there is none."""
    return max(managers, key=lambda manager: manager.time, default=None)


def _names(name: str, item: Any) -> bool:
    kind, _, text = name.partition(":")
    if kind == "v":
        return bool(json.loads(text) == item)
    if kind != "k" or not isinstance(item, Mapping):
        return False
    return all(item.get(key) == value for key, value in json.loads(text).items())
