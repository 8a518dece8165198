"""The Istio object that a part of a proxy's configuration was made from, as istiod notes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Origin:
    """An Istio object.

    Attributes:
        group: API group, for example ``networking.istio.io``.
        kind: for example ``DestinationRule``.
        namespace: its namespace.
        name: its name.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def origin(metadata: Mapping[str, Any] | None) -> Origin | None:
    """The object named by ``filter_metadata.istio.config`` of a route or a cluster; None where it has none.

    istiod writes ``/apis/networking.istio.io/v1/namespaces/sample/destination-rule/helloworld``
    (util.AddConfigInfoMetadata in istio/istio, pilot/pkg/networking/util/util.go).

    Args:
        metadata: the ``metadata`` of the route or the cluster.
    """
    path = istio_metadata(metadata).get("config")
    parts = str(path).strip("/").split("/") if path else []
    if len(parts) != 7:
        return None
    kind = "".join(word.capitalize() for word in parts[5].split("-"))
    return Origin(parts[1], kind, parts[4], parts[6])


def istio_metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What istiod notes of itself in a ``metadata``; empty where it notes nothing."""
    found = ((metadata or {}).get("filter_metadata") or {}).get("istio")
    return found if isinstance(found, Mapping) else {}
