"""The mesh as Pulumi component resources."""

from components.cluster import Upgrades
from components.mesh import Group, GroupArgs, Mesh, MeshArgs, TrustAndLinks, TrustAndLinksArgs
from components.sample import Sample, SampleArgs, samples

__all__ = [
    "Group",
    "GroupArgs",
    "Mesh",
    "MeshArgs",
    "Sample",
    "SampleArgs",
    "TrustAndLinks",
    "TrustAndLinksArgs",
    "Upgrades",
    "samples",
]
