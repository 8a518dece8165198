"""Key paths, as the user wrote them."""

from collections.abc import Iterator

from topology.model import Cluster, Mesh

ROOT = "spanmesh:mesh"


def cluster_keys(mesh: Mesh) -> Iterator[tuple[str, Cluster]]:
    """Each cluster with the path of its key."""
    for index, cluster in enumerate(mesh.clusters):
        yield f"{ROOT}.clusters[{index}]", cluster
