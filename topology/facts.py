"""What follows from the declared mesh: who reads whom, and over which networks."""

from dataclasses import dataclass

from topology.model import Cluster, Mesh


@dataclass(frozen=True)
class Link:
    """The istiod of ``reader`` reads Services and endpoints from the API server of ``peer``."""

    reader: Cluster
    peer: Cluster

    @property
    def crosses_networks(self) -> bool:
        """Whether traffic from reader to peer goes through the peer's east-west gateway."""
        return self.reader.network != self.peer.network


def links(mesh: Mesh) -> list[Link]:
    """Every ordered pair of clusters that the mesh links, in the order of the file."""
    if mesh.links == "full":
        return [Link(a, b) for a in mesh.clusters for b in mesh.clusters if a.name != b.name]
    return [Link(mesh.cluster(entry.reader), mesh.cluster(peer)) for entry in mesh.links for peer in entry.peers]
