"""What the user declares of a mesh, and what follows from it. Pure: no Pulumi, no Kubernetes, no I/O."""

from topology.errors import MeshConfigError, Problem
from topology.facts import Link, links
from topology.load import load_mesh, load_sample
from topology.model import Cluster, Gateway, Ingress, Istio, Kubeconfig, Mesh, Sample, Trust

__all__ = [
    "Cluster",
    "Gateway",
    "Ingress",
    "Istio",
    "Kubeconfig",
    "Link",
    "Mesh",
    "MeshConfigError",
    "Problem",
    "Sample",
    "Trust",
    "links",
    "load_mesh",
    "load_sample",
]
