"""What the user declares of a mesh, and what follows from it. Pure: no Pulumi, no Kubernetes, no I/O."""

from topology.division import members
from topology.errors import MeshConfigError, Problem
from topology.facts import Link, clients_of_gateway, links, networks
from topology.gateway import Gateway, Ingress
from topology.load import load_mesh, load_sample
from topology.model import Cluster, Istio, Mesh, Sample, Trust
from topology.source import Kubeconfig, Source

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
    "Source",
    "Trust",
    "clients_of_gateway",
    "links",
    "load_mesh",
    "load_sample",
    "members",
    "networks",
]
