"""The mesh as Pulumi component resources."""

from components.mesh import Mesh, MeshArgs
from components.sample import Sample, SampleArgs, samples

__all__ = ["Mesh", "MeshArgs", "Sample", "SampleArgs", "samples"]
