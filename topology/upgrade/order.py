"""Which clusters change their Istio, and which waits for which.

A version that does not work should be met by one cluster, while the others carry the traffic.
"""

from collections.abc import Mapping, Sequence

from topology.defaults import istio_of
from topology.model import Mesh
from topology.upgrade.installed import Installed


def changing(mesh: Mesh, installed: Mapping[str, Installed]) -> list[str]:
    """The clusters whose Istio is not the declared one, in the mesh's order; first installations are not among them.

    Args:
        mesh: the declared mesh.
        installed: by cluster, what it has; one that is not in it is not asked about.
    """
    return [
        cluster.name
        for cluster in mesh.clusters
        if cluster.name in installed and installed[cluster.name].differs(istio_of(mesh, cluster))
    ]


def predecessors(clusters: Sequence[str], at_once: int) -> dict[str, str]:
    """For each cluster that waits, the one that has to be ready before.

    Args:
        clusters: those that change, in their order.
        at_once: how many may change at the same time.
    """
    return dict(zip(clusters[at_once:], clusters, strict=False))
