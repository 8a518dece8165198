"""The root and intermediates that the user brings, read from where the stack file says and checked."""

from collections.abc import Mapping
from datetime import UTC, datetime

from live.division import has_cacerts
from live.kubeconfig import ClusterAccess
from live.sources import Sources
from topology import Cluster, Mesh, MeshConfigError, Problem
from topology.certificates import ROOT_KEY, GivenIntermediate, GivenTrust, check_provided
from topology.checks.keys import cluster_keys
from topology.source import Source


def read_given_trust(mesh: Mesh, sources: Sources) -> GivenTrust | None:
    """Certificates and keys of a mesh whose root is provided; None where Pulumi makes the root.

    Args:
        mesh: the declared mesh.
        sources: reads what the stack file names.

    Raises:
        MeshConfigError: with the faults of every cluster: a text that is not there, or that cannot be used.
    """
    if mesh.trust.root_certificate is None:
        return None
    problems: list[Problem] = []

    def read(source: Source, key: str) -> str:
        try:
            return sources.read(source, key)
        except MeshConfigError as error:
            problems.extend(error.problems)
            return ""

    def intermediate(cluster: Cluster, key: str, certificate: Source) -> GivenIntermediate:
        text = read(certificate, f"{key}.certificate")
        private_key = read(cluster.trust.key, f"{key}.key") if cluster.trust.key else None
        return GivenIntermediate(cluster.name, key, text, private_key)

    given = GivenTrust(
        read(mesh.trust.root_certificate, ROOT_KEY),
        {
            cluster.name: intermediate(cluster, f"{key}.trust", cluster.trust.certificate)
            for key, cluster in cluster_keys(mesh)
            if cluster.trust.certificate
        },
    )
    # What could not be read is not judged too.
    if problems := problems or check_provided(given, datetime.now(UTC)):
        raise MeshConfigError(problems)
    return given


def losing_trust(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> list[Problem]:
    """Clusters that have a CA by now, and would lose it with all of Istio, for they wait for a certificate.

    Args:
        mesh: the declared mesh.
        accesses: the clusters of this stack that answer.
    """
    return [
        Problem(
            f"{key}.trust.certificate",
            f"missing, and cluster {cluster.name} runs with a CA: waiting for one would take Istio away from it",
            "Give the certificate. For a request while the cluster runs, set `request: true` under the generated root "
            "first, or bring `certificate` and `key`",
        )
        for key, cluster in cluster_keys(mesh)
        if mesh.trust.root == "provided" and cluster.trust.certificate is None and cluster.name in accesses
        if has_cacerts(accesses[cluster.name])
    ]
