"""What policy is held against: the declared mesh, and what its clusters hold where they could be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.document import Document
from topology import Mesh


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service; ``name`` is empty where the Service gives none."""

    name: str
    port: int
    app_protocol: str = ""


@dataclass(frozen=True)
class Service:
    """A Kubernetes Service of one cluster.

    Attributes:
        namespace: its namespace.
        name: its name.
        ports: its ports.
        selector: labels of its pods; empty where it selects none.
        type: ClusterIP, NodePort, LoadBalancer or ExternalName.
        headless: whether its clusterIP is None.
    """

    namespace: str
    name: str
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    type: str = "ClusterIP"
    headless: bool = False


@dataclass(frozen=True)
class Pods:
    """Pods of one cluster that are alike.

    Attributes:
        namespace: their namespace.
        labels: their labels.
        injected: whether they have a sidecar.
        ready: how many of them are ready.
        service_account: the account that they run as.
    """

    namespace: str
    labels: Mapping[str, str]
    injected: bool
    ready: int
    service_account: str = "default"


@dataclass(frozen=True)
class Live:
    """What one cluster holds.

    Attributes:
        services: its Services.
        pods: its pods in the namespaces that policy concerns.
        namespaces: by name, whether pods made in it are injected.
        kinds: ``group/Kind`` of every custom resource that it knows.
        others: policy that is not this stack's: the objects as they are.
    """

    services: tuple[Service, ...] = ()
    pods: tuple[Pods, ...] = ()
    namespaces: Mapping[str, bool] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()
    others: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Placed:
    """A document and the clusters that it goes to, in the mesh's order."""

    document: Document
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The declared mesh, its policy, and what is live.

    Attributes:
        mesh: the declared mesh; None where files are checked without a stack.
        placed: the mesh's policy; without a mesh, every document goes to no named cluster.
        live: by Istio's cluster name, what each cluster holds; one that was not asked, or did not answer, is not in it.
    """

    mesh: Mesh | None
    placed: tuple[Placed, ...]
    live: Mapping[str, Live] = field(default_factory=dict)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the mesh's clusters; empty without a mesh."""
        return tuple(c.name for c in self.mesh.clusters) if self.mesh else ()

    def of_kind(self, *kinds: str) -> tuple[Placed, ...]:
        """The documents of these kinds."""
        return tuple(p for p in self.placed if p.document.kind in kinds)
