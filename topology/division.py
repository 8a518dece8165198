"""A mesh divided into stacks: trust and links in one, and a stack for each group of clusters."""

import difflib

from topology.errors import MeshConfigError, Problem
from topology.model import Cluster, Mesh

GROUP = "spanmesh:group"


def members(mesh: Mesh, group: str | None) -> list[Cluster]:
    """The clusters that a stack has to do with: those of its group; all where it has none.

    Args:
        mesh: the declared mesh.
        group: value of ``spanmesh:group``.

    Raises:
        MeshConfigError: there is no such group.
    """
    if group is None:
        return mesh.clusters
    if group not in mesh.groups:
        known = ", ".join(mesh.groups)
        near = difflib.get_close_matches(group, mesh.groups, n=1)
        cure = f"Did you mean `{near[0]}`? Groups here: {known}" if near else f"Groups here: {known or 'none'}"
        raise MeshConfigError([Problem(GROUP, f"the mesh has no group {group}", cure)])
    return [cluster for cluster in mesh.clusters if cluster.group == group]
