"""What the clusters hold of Istio policy, beside what is declared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policy.world import Pods


@dataclass(frozen=True)
class PolicyDeviation:
    """One object of declared policy that is not as declared, or an object with the stack's label that is not declared.

    Attributes:
        state: ``missing``: not there; ``different``; ``extra``: with the stack's label, and not declared.
        subject: ``VirtualService sample/helloworld``.
        source: file and line that declare it; of an extra one the file that its label names.
        fields: of a different one, the fields, and who changed them where that is known.
        cure: what to do.
    """

    state: Literal["missing", "different", "extra"]
    subject: str
    source: str
    fields: tuple[str, ...]
    cure: str


@dataclass(frozen=True)
class LivePolicy:
    """Istio policy of one cluster.

    Attributes:
        objects: DestinationRules, ServiceEntries, VirtualServices and PeerAuthentications as they are, without
            managedFields and status.
        own: those of them that carry the stack's label: ``Kind namespace/name``.
        compared: how many declared objects were held against the live ones; None: what is declared is not known.
        deviations: those that are not as declared.
        idle_gateways: by ``namespace/name`` of each Gateway whose selector no pod has, the selector.
        pods: the pods of namespaces that some of the mesh's policy takes mutual TLS from; alike ones together.
    """

    objects: tuple[Mapping[str, Any], ...]
    own: frozenset[str] = frozenset()
    compared: int | None = None
    deviations: tuple[PolicyDeviation, ...] = ()
    idle_gateways: Mapping[str, str] = field(default_factory=dict)
    pods: tuple[Pods, ...] = ()
