"""Which clusters serve a host, and between which of them its traffic crosses networks."""

from collections.abc import Iterable, Mapping
from typing import Any

from policy.checks.facts import Facts
from policy.hosts import SUFFIX, service_of
from policy.world import Pods, Service, World
from topology import Cluster
from topology.defaults import NETWORK_LABEL

CLUSTER_LABEL = "topology.istio.io/cluster"
REGION_LABEL = "topology.kubernetes.io/region"
# istiod takes these from nodes, which nobody was asked about.
NODE_LABELS = frozenset({"topology.kubernetes.io/zone", "topology.istio.io/subzone", "kubernetes.io/hostname"})
ADDED_LABELS = frozenset({CLUSTER_LABEL, NETWORK_LABEL, REGION_LABEL})
NO_LABELS: Mapping[str, str] = {}
# pilot/pkg/model/cluster_local.go: never shared between clusters unless serviceSettings say so.
CLUSTER_LOCAL = dict.fromkeys(
    (
        "*.kube-system.svc.cluster.local",
        "kubernetes.default.svc.cluster.local",
        "istiod.istio-system.svc.cluster.local",
    ),
    True,
)


class Reach:
    """Where hosts are served, as far as the declared mesh and the clusters that answered tell.

    Attributes:
        facts: what it was made from.
        clusters: the mesh's clusters by name, in the order of the file; empty without a mesh.
    """

    def __init__(self, facts: Facts) -> None:
        mesh = facts.world.mesh
        self.facts = facts
        self.clusters: dict[str, Cluster] = {c.name: c for c in mesh.clusters} if mesh else {}
        self._served_by = {_key(s.service): frozenset(s.served_by) for s in mesh.services} if mesh else {}
        self._local: dict[str, bool] | None = None
        self._pods: dict[tuple[str, str, frozenset[tuple[str, str]]], list[Pods] | None] = {}
        self._serving: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[str, ...]] = {}

    @property
    def several_networks(self) -> bool:
        """Whether the mesh has clusters on more than one network."""
        return len({c.network for c in self.clusters.values()}) > 1

    @property
    def regions(self) -> frozenset[str]:
        """Regions of the clusters; empty unless every cluster declares its own."""
        found = [c.region for c in self.clusters.values()]
        return frozenset(r for r in found if r) if all(found) else frozenset()

    def mesh_config(self, key: str) -> Any:
        """A key of meshConfig, as the mesh's Istio values have it; None where they do not."""
        return mesh_config(self.facts.world, key)

    @property
    def root_namespace(self) -> str:
        """Namespace whose policy holds for the whole mesh."""
        return str(self.mesh_config("rootNamespace") or "istio-system")

    def service(self, host: str, cluster: str) -> Service | None:
        """The Service that a full host names in a cluster, live or declared; None where none is known."""
        key = service_of(host)
        return self.facts.services(cluster, key).get(cluster) if key else None

    def asked(self, cluster: str) -> bool:
        """Whether the cluster told what it holds."""
        return cluster in self.facts.world.live

    def resolves(self, host: str, cluster: str) -> bool | None:
        """Whether the host has a Service there, live or declared; None where that is not known."""
        if service_of(host) is None:
            return None
        if self.service(host, cluster) or service_of(host) in self._served_by:
            return True
        return False if self.asked(cluster) else None

    def pods(self, host: str, cluster: str, labels: Mapping[str, str] = NO_LABELS) -> list[Pods] | None:
        """Pods behind a host in one cluster; None where that is not known.

        Args:
            host: full host of a Kubernetes Service.
            cluster: Istio's name of the cluster.
            labels: labels of a subset; those that Istio adds for cluster, network and region count too.
        """
        key = host, cluster, frozenset(labels.items())
        if key not in self._pods:
            self._pods[key] = self._found(host, cluster, labels)
        return self._pods[key]

    def _found(self, host: str, cluster: str, labels: Mapping[str, str]) -> list[Pods] | None:
        name = service_of(host)
        if name is None:
            return None
        served_by = self._served_by.get(name)
        if not self._there(cluster, labels) or (served_by is not None and cluster not in served_by):
            return []
        service = self.service(host, cluster)
        if not self.asked(cluster) or (service is not None and not service.selector):
            return None
        own = {k: v for k, v in labels.items() if k not in ADDED_LABELS | NODE_LABELS}
        found = self.facts.pods(cluster, service, own) if service else []
        return None if found and labels.keys() & NODE_LABELS else found

    def serving(self, host: str, labels: Mapping[str, str] = NO_LABELS) -> tuple[str, ...]:
        """Clusters that serve a host, or may: those with pods, those that were not asked, and where no asked one has
        pods, those with the Service; every cluster where nobody asked has the Service.

        Args:
            host: full host of a Kubernetes Service; of a wildcard every cluster may serve some.
            labels: labels of a subset.
        """
        key = host, tuple(sorted(labels.items()))
        if key not in self._serving:
            self._serving[key] = tuple(self._serves(host, labels))
        return self._serving[key]

    def _serves(self, host: str, labels: Mapping[str, str]) -> Iterable[str]:
        if any(self.pods(host, c) for c in self.clusters):
            return [c for c in self.clusters if self.pods(host, c, labels) != []]
        there = [c for c in self.clusters if self._there(c, labels)]
        served_by = self._served_by.get(service_of(host) or ("", ""))
        if served_by is not None:
            return [c for c in there if c in served_by]
        return [c for c in there if self.resolves(host, c) is not False] or there

    def crossings(
        self, host: str, clients: Iterable[str], labels: Mapping[str, str] = NO_LABELS
    ) -> list[tuple[str, str]]:
        """Client and serving cluster, where requests from one to the other go through an east-west gateway.

        Pods without a sidecar are left out: nothing reaches them across networks, whatever policy says.

        Args:
            host: full host; one that is no Service of the mesh, or stays in its cluster, crosses nowhere.
            clients: names of the clusters where requests come from.
            labels: labels of a subset.
        """
        if not self.several_networks or not in_mesh(host) or self.cluster_local(host):
            return []
        serving = [
            c
            for c in self.serving(host, labels)
            if (pods := self.pods(host, c, labels)) is None or not pods or any(p.injected for p in pods)
        ]
        return [(client, peer) for client in clients for peer in serving if self.crosses(client, peer)]

    def crosses(self, client: str, peer: str) -> bool:
        """Whether requests from one cluster to the other go through the other's east-west gateway."""
        return peer in self.facts.visible[client] and self.facts.crosses(client, peer)

    def cluster_local(self, host: str) -> bool:
        """Whether Istio keeps requests to a host in their cluster (meshConfig.serviceSettings, and its own defaults).

        https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/#keeping-traffic-in-cluster
        """
        if self._local is None:
            self._local = dict(CLUSTER_LOCAL)
            for setting in self.mesh_config("serviceSettings") or ():
                local = bool((setting.get("settings") or {}).get("clusterLocal"))
                self._local |= {str(pattern): local for pattern in setting.get("hosts") or ()}
        if host in self._local:
            return self._local[host]
        _, *rest = host.split(".")
        for start in range(len(rest)):
            if (pattern := ".".join(["*", *rest[start:]])) in self._local:
                return self._local[pattern]
        return self._local.get("*", False)

    def place(self, cluster: str) -> str:
        """A cluster as messages name it: with its network and region."""
        found = self.clusters[cluster]
        return f"{cluster} ({', '.join(filter(None, (found.network, found.region)))})"

    def _there(self, cluster: str, labels: Mapping[str, str]) -> bool:
        found = self.clusters[cluster]
        own = {CLUSTER_LABEL: cluster, NETWORK_LABEL: found.network, REGION_LABEL: found.region}
        return all(own[key] in {None, value} for key, value in labels.items() if key in own)


def mesh_config(world: World, key: str) -> Any:
    """A key of meshConfig, as the mesh's Istio values have it; None where they do not, or there is no mesh."""
    config = world.mesh.istio.values.get("meshConfig") if world.mesh else None
    return config.get(key) if isinstance(config, Mapping) else None


def in_mesh(host: str) -> bool:
    """Whether a full host names a Service of Kubernetes, or is a wildcard that some such names match."""
    if service_of(host):
        return True
    suffix = host.removeprefix("*").removeprefix(".")
    return host.startswith("*") and (f".{SUFFIX}".endswith(f".{suffix}") or suffix.endswith(f".{SUFFIX}") or not suffix)


def _key(service: str) -> tuple[str, str]:
    name, _, namespace = service.partition(".")
    return namespace, name
