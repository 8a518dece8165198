"""Meshes of some size, for what is drawn and printed of them."""

from typing import Any

from topology import Mesh, load_mesh


def mesh_of(networks: list[int], links: Any = "full", **of_first: Any) -> Mesh:
    """cluster1, cluster2, … on the numbered networks; ``of_first`` are more keys of the first cluster."""
    clusters: list[dict[str, Any]] = [
        {"name": f"cluster{n}", "network": f"network{number}", "apiServer": f"https://198.51.100.{n}:6443"}
        for n, number in enumerate(networks, 1)
    ]
    clusters[0] |= of_first
    return load_mesh({"clusters": clusters, "links": links})


TWO, FLAT_AND_ONE, TWELVE = [1, 2], [1, 1, 2], [1, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 6]
FIFTY = [*range(1, 51)]
