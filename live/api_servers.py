"""What the stack file says of API servers as other clusters see them, and does not hold itself."""

from cryptography import x509

from live.sources import Sources, fault
from topology import Mesh, MeshConfigError, Problem
from topology.checks.keys import cluster_keys


def ca_certificates(mesh: Mesh, sources: Sources) -> dict[str, str]:
    """PEM of the CAs of each API server that does not show a certificate of its cluster's own CA.

    Args:
        mesh: the declared mesh.
        sources: reads what the stack file names.

    Returns:
        By Istio's cluster name; a cluster without ``apiServer.caCertificate`` is not in it.

    Raises:
        MeshConfigError: with the faults of every cluster: a text that is not there, or no certificate.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for cluster_key, cluster in cluster_keys(mesh):
        if cluster.api_server.ca_certificate is None:
            continue
        key = f"{cluster_key}.apiServer.caCertificate"
        try:
            found[cluster.name] = _certificates(sources.read(cluster.api_server.ca_certificate, key), key)
        except MeshConfigError as error:
            problems += error.problems
    if problems:
        raise MeshConfigError(problems)
    return found


def _certificates(text: str, key: str) -> str:
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise fault(key, "it is no certificate in PEM", "Give the CA, or several after one another") from None
    return text
