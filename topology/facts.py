"""What follows from the declared mesh: who reads whom, over which networks, and through whose gateway."""

from dataclasses import dataclass

from topology.model import Cluster, Hubs, Mesh
from topology.policy import Narrowed


@dataclass(frozen=True)
class Link:
    """The istiod of ``reader`` reads Services and endpoints from the API server of ``peer``."""

    reader: Cluster
    peer: Cluster

    @property
    def crosses_networks(self) -> bool:
        """Whether traffic from reader to peer goes through the peer's east-west gateway."""
        return self.reader.network != self.peer.network

    @property
    def server(self) -> str:
        """https URL by which the reader reaches the peer's API server."""
        return self.peer.api_server.readers.get(self.reader.name, self.peer.api_server.url)


def links(mesh: Mesh) -> list[Link]:
    """Every ordered pair of clusters that the mesh links, in the order of the file."""
    return [link for link in _declared_links(mesh) if link.reader.linked and link.peer.linked]


def _declared_links(mesh: Mesh) -> list[Link]:
    pairs = [(a, b) for a in mesh.clusters for b in mesh.clusters if a.name != b.name]
    if mesh.links == "full":
        return [Link(a, b) for a, b in pairs]
    if isinstance(mesh.links, Hubs):
        hubs = mesh.links.hubs
        return [Link(a, b) for a, b in pairs if a.name in hubs or b.name in hubs]
    return [Link(mesh.cluster(entry.reader), mesh.cluster(peer)) for entry in mesh.links for peer in entry.peers]


def networks(mesh: Mesh) -> dict[str, list[Cluster]]:
    """The clusters of each network, both in the order of the file."""
    found: dict[str, list[Cluster]] = {}
    for cluster in mesh.clusters:
        found.setdefault(cluster.network, []).append(cluster)
    return found


def clients_of_gateway(mesh: Mesh) -> dict[str, list[Cluster]]:
    """For each cluster's name, the clusters whose proxies are given the address of its east-west gateway."""
    clients: dict[str, list[Cluster]] = {cluster.name: [] for cluster in mesh.clusters}
    for link in links(mesh):
        if link.crosses_networks:
            clients[link.peer.name].append(link.reader)
    return clients


def chosen(mesh: Mesh, narrowed: Narrowed) -> tuple[str, ...]:
    """Names of the clusters that something goes to, in the order of the file."""
    if not (narrowed.clusters or narrowed.networks or narrowed.regions):
        return tuple(c.name for c in mesh.clusters)
    return tuple(
        c.name
        for c in mesh.clusters
        if c.name in narrowed.clusters or c.network in narrowed.networks or c.region in narrowed.regions
    )
