"""What the stacks of a divided mesh have to know of each other."""

from collections.abc import Mapping

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.sources import StackOutputs, StackOutputsError
from topology import Mesh, MeshConfigError, Problem
from topology.defaults import NAMESPACE


def clusters_up(mesh: Mesh, stack_outputs: StackOutputs) -> set[str]:
    """Names of the clusters whose east-west gateway has an address, as the stacks of their groups say.

    Args:
        mesh: the declared mesh, divided into groups.
        stack_outputs: from a stack's name to its outputs; raises StackOutputsError.

    Raises:
        MeshConfigError: a stack cannot be read. One that was never made is no error: its clusters are not up.
    """
    up: set[str] = set()
    for name, group in mesh.groups.items():
        try:
            outputs = stack_outputs(group.stack)
        except StackOutputsError as error:
            if "unknown stack" in str(error):
                continue
            key = f"spanmesh:mesh.groups.{name}.stack"
            cure = "Name a stack of this project, or one as organization/project/stack"
            raise MeshConfigError([Problem(key, f"its outputs cannot be read: {error}", cure)]) from error
        for cluster, summary in (outputs.get("clusters") or {}).items():
            if (summary.get("eastWest") or {}).get("addresses"):
                up.add(cluster)
    return up & {cluster.name for cluster in mesh.clusters}


def without_trust(accesses: Mapping[str, ClusterAccess]) -> list[Problem]:
    """Clusters that answer and have no Secret ``cacerts``: istiod would make a root of its own there."""
    return [
        Problem(
            f"cluster {name}",
            f"the Secret cacerts is missing in the namespace {NAMESPACE}",
            "Run `pulumi up` of the stack with trust and links first: the one without `spanmesh:group`",
        )
        for name, access in accesses.items()
        if not has_cacerts(access)
    ]


def has_cacerts(access: ClusterAccess) -> bool:
    """Whether the Secret that istiod signs with stands in a cluster."""
    try:
        with api_client(access) as api:
            client.CoreV1Api(api).read_namespaced_secret("cacerts", NAMESPACE, _request_timeout=TIMEOUT)
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True
