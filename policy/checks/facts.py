"""What is known of each cluster, arranged so that every check finds it without a search."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from policy.checks.routes import Route, mapping, mappings, routes
from policy.document import Document
from policy.hosts import full_name, service_of
from policy.world import Placed, Pods, Service, ServicePort, World
from topology import Cluster, links
from topology.defaults import NETWORK_LABEL

ISTIO, KUBERNETES = "networking.istio.io", ""
# istiod adds them to endpoints: those of the cluster are declared, those of nodes are not known here
# (https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/#partitioning-services).
PLACE_LABELS = ("topology.istio.io/cluster", NETWORK_LABEL, "topology.kubernetes.io/region")
NODE_LABELS = frozenset({"topology.kubernetes.io/zone", "topology.istio.io/subzone", "kubernetes.io/hostname"})
Name = tuple[str, str]
"""Namespace and name of a Service."""


@dataclass
class _Hosts:
    """Values by host, where some hosts are wildcards."""

    exact: dict[str, list[tuple[Document, Mapping[str, object]]]] = field(default_factory=lambda: defaultdict(list))
    wild: dict[str, list[tuple[Document, Mapping[str, object]]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, host: str, document: Document, value: Mapping[str, object]) -> None:
        (self.wild if host.startswith("*") else self.exact)[host].append((document, value))

    found: dict[str, list[tuple[Document, Mapping[str, object]]]] = field(default_factory=dict)

    def get(self, host: str) -> list[tuple[Document, Mapping[str, object]]]:
        if host not in self.found:
            wild = [value for pattern, values in self.wild.items() if host.endswith(pattern[1:]) for value in values]
            self.found[host] = [*self.exact.get(host, ()), *wild]
        return self.found[host]


class Facts:
    """The world by cluster, host and name.

    A cluster is asked about as its istiod and its clients see it: an istiod reads policy of its own cluster only, and
    Services and endpoints of its own and of the clusters that it reads
    (https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/).
    Without a mesh there is one place, named "", where every document is.

    Args:
        world: the declared mesh, its policy, and what is live.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.places = world.clusters or ("",)
        self._of_name: dict[str, Cluster] = {c.name: c for c in world.mesh.clusters} if world.mesh else {}
        seen = {name: [name] for name in self.places}
        for link in links(world.mesh) if world.mesh else []:
            seen[link.reader.name].append(link.peer.name)
        self.visible = {name: tuple(clusters) for name, clusters in seen.items()}
        self._read: dict[tuple[str, Name], dict[str, Service]] = {}
        self._subsets: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
        self._behind: dict[tuple[frozenset[str], Name, frozenset[tuple[str, str]]], dict[str, list[Pods]]] = {}
        self._selected: dict[tuple[str, str, frozenset[tuple[str, str]]], list[Pods]] = {}
        self.routes: tuple[Route, ...] = tuple(route for placed in world.placed for route in routes(placed))

    def where(self, placed: Placed) -> tuple[str, ...]:
        """The places where a document is."""
        return placed.clusters if self.world.mesh else self.places

    def complete(self, cluster: str) -> bool:
        """Whether everything that this cluster's istiod reads could be asked."""
        return all(name in self.world.live for name in self.visible[cluster])

    def empty(self, cluster: str, namespace: str) -> bool:
        """Whether the namespace is in none of the clusters that this one reads, so that nothing of it is there yet."""
        lives = [self.world.live[name] for name in self.visible[cluster] if name in self.world.live]
        return all(live.namespaces and namespace not in live.namespaces for live in lives)

    def crosses(self, client: str, server: str) -> bool:
        """Whether requests between the two go through an east-west gateway."""
        return self._of_name[client].network != self._of_name[server].network

    def far(self, client: str, server: str) -> bool:
        """Whether they are on different networks or in different regions."""
        return self.crosses(client, server) or self._of_name[client].region != self._of_name[server].region

    def called(self, cluster: str) -> str:
        """The cluster, with its region where it has one."""
        region = self._of_name[cluster].region
        return f"{cluster} ({region})" if region else cluster

    @cached_property
    def _services(self) -> dict[str, dict[Name, Service]]:
        found = {
            name: {(s.namespace, s.name): s for s in self.world.live[name].services} if name in self.world.live else {}
            for name in self.places
        }
        # What is declared will stand there once this is applied.
        for placed in self.world.placed:
            document = placed.document
            if (document.group, document.kind) == (KUBERNETES, "Service"):
                for name in self.where(placed):
                    found[name][document.namespace, document.name] = _service(document)
        return found

    @cached_property
    def promised(self) -> frozenset[Name]:
        """Services that the stack says run somewhere, asked or not."""
        declared = self.world.mesh.services if self.world.mesh else []
        pairs = (entry.service.split(".") for entry in declared)
        return frozenset((namespace, name) for name, namespace in pairs)

    def services(self, cluster: str, name: Name) -> Mapping[str, Service]:
        """The Service in each cluster that this one reads and that has it; its own first."""
        key = cluster, name
        if key not in self._read:
            self._read[key] = {c: self._services[c][name] for c in self.visible[cluster] if name in self._services[c]}
        return self._read[key]

    def exists(self, name: Name) -> bool:
        """Whether any cluster is known to have the Service, or the stack says that one does."""
        return name in self.promised or name in self._anywhere

    @cached_property
    def _anywhere(self) -> frozenset[Name]:
        return frozenset(name for services in self._services.values() for name in services)

    @cached_property
    def namesakes(self) -> dict[str, dict[str, list[str]]]:
        """By a Service's name alone: the clusters of each namespace that has it."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for cluster, services in self._services.items():
            for namespace, name in services:
                found[name][namespace].append(cluster)
        return found

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Every namespace that is known of: it is live, or something declared is in it."""
        live = {name for live in self.world.live.values() for name in live.namespaces}
        return frozenset(live | {placed.document.namespace for placed in self.world.placed} - {""})

    @cached_property
    def _pods(self) -> dict[tuple[str, str, str, str], list[Pods]]:
        """By cluster, namespace, and each label that they have."""
        found: dict[tuple[str, str, str, str], list[Pods]] = defaultdict(list)
        for cluster, live in self.world.live.items():
            for pods in live.pods:
                for key, value in pods.labels.items():
                    found[cluster, pods.namespace, key, value].append(pods)
        return found

    def pods(self, cluster: str, service: Service, labels: Mapping[str, str] | None = None) -> list[Pods]:
        """Pods of one cluster that the Service selects, and that have the labels too."""
        if not service.selector:
            return []
        wanted = frozenset(service.selector.items()) | frozenset((labels or {}).items())
        key = cluster, service.namespace, wanted
        if key not in self._selected:
            few = min((self._pods.get((*key[:2], *label), []) for label in wanted), key=len)
            self._selected[key] = [p for p in few if wanted <= p.labels.items()]
        return self._selected[key]

    @cached_property
    def _policy(self) -> dict[str, dict[str, _Hosts]]:
        """By cluster and kind: DestinationRules and ServiceEntries by host, declared ones and those of others."""
        found: dict[str, dict[str, _Hosts]] = {
            name: {"DestinationRule": _Hosts(), "ServiceEntry": _Hosts()} for name in self.places
        }
        there = [(placed.document, self.where(placed)) for placed in self.world.placed]
        there += [
            (Document("", 1, body), (name,))
            for name, live in self.world.live.items()
            if name in found
            for body in live.others
        ]
        for document, clusters in there:
            if document.group != ISTIO or document.kind not in ("DestinationRule", "ServiceEntry"):
                continue
            hosts = document.spec.get("hosts") if document.kind == "ServiceEntry" else [document.spec.get("host")]
            for host in hosts if isinstance(hosts, list) else []:
                for name in clusters if isinstance(host, str) else ():
                    found[name][document.kind].add(full_name(host, document.namespace), document, document.spec)
        return found

    def entries(self, cluster: str, host: str) -> list[Mapping[str, object]]:
        """Specs of the ServiceEntries that have the full host, in this cluster."""
        return [spec for _, spec in self._policy[cluster]["ServiceEntry"].get(host)]

    def rules(self, cluster: str, host: str) -> list[Document]:
        """The DestinationRules for the full host, in this cluster; wildcards last."""
        return [document for document, _ in self._policy[cluster]["DestinationRule"].get(host)]

    def subsets(self, cluster: str, host: str) -> Mapping[str, dict[str, str]]:
        """Labels of each subset of the full host in this cluster; the first that defines one counts."""
        if (cluster, host) not in self._subsets:
            self._subsets[cluster, host] = self._defined(cluster, host)
        return self._subsets[cluster, host]

    def _defined(self, cluster: str, host: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for rule in self.rules(cluster, host):
            for _, subset in mappings(rule.spec.get("subsets")):
                labels = {str(k): str(v) for k, v in mapping(subset.get("labels")).items()}
                found.setdefault(str(subset.get("name") or ""), labels)
        return found

    def endpoints(self, cluster: str, host: str, subset: str = "") -> Mapping[str, list[Pods]] | None:
        """Pods behind a full host (or a subset of it) by cluster, as this cluster's clients have them.

        None where it cannot be known: a cluster was not asked, the host is no Service, its endpoints are not chosen by
        a selector, the subset is not defined, or is told by labels that istiod takes from nodes.
        """
        name = service_of(host)
        if name is None or not self.complete(cluster) or self.entries(cluster, host):
            return None
        labels = self.subsets(cluster, host).get(subset) if subset else {}
        services = self.services(cluster, name)
        if labels is None or labels.keys() & NODE_LABELS or not any(s.selector for s in services.values()):
            return None
        # Clusters that read the same ones see the same endpoints.
        key = frozenset(services), name, frozenset(labels.items())
        if key not in self._behind:
            self._behind[key] = self._selected_by(services, labels)
        return self._behind[key]

    def _selected_by(self, services: Mapping[str, Service], labels: Mapping[str, str]) -> dict[str, list[Pods]]:
        own = {key: value for key, value in labels.items() if key not in PLACE_LABELS}
        asked = labels.items() - own.items()
        return {
            where: pods
            for where, service in services.items()
            if asked <= self._labels_of_place(where).items() and (pods := self.pods(where, service, own))
        }

    def _labels_of_place(self, cluster: str) -> dict[str, str]:
        found = self._of_name[cluster]
        return dict(zip(PLACE_LABELS, (cluster, found.network, found.region or ""), strict=True))


def _service(document: Document) -> Service:
    spec = document.spec
    ports = tuple(
        ServicePort(str(p.get("name") or ""), number, str(p.get("appProtocol") or ""))
        for _, p in mappings(spec.get("ports"))
        if isinstance(number := p.get("port"), int)
    )
    return Service(
        document.namespace,
        document.name,
        ports,
        {str(k): str(v) for k, v in mapping(spec.get("selector")).items()},
        str(spec.get("type") or "ClusterIP"),
        spec.get("clusterIP") == "None",
    )
