"""One cluster while it is asked."""

from dataclasses import dataclass

from kubernetes import client

from live.kubeconfig import ClusterAccess
from topology import Cluster, Mesh


@dataclass(frozen=True)
class Asked:
    """What a reader of facts is given.

    Attributes:
        mesh: the declared mesh.
        access: the cluster's kubeconfig: for ports of its pods.
        api: client of the cluster, shared by all readers; every call passes ``_request_timeout=TIMEOUT``.
    """

    mesh: Mesh
    access: ClusterAccess
    api: client.ApiClient

    @property
    def name(self) -> str:
        """Istio's name of the cluster."""
        return self.access.name

    @property
    def cluster(self) -> Cluster:
        """The cluster as it is declared."""
        return self.mesh.cluster(self.access.name)

    @property
    def core(self) -> client.CoreV1Api:
        """Pods, Services, ConfigMaps."""
        return client.CoreV1Api(self.api)
