"""How clusters are reached: kubeconfigs, API servers, and the sources of texts."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from topology.checks.keys import cluster_keys
from topology.declared import DNS_NAME
from topology.errors import Problem
from topology.model import Cluster, Mesh
from topology.source import Source

WAYS = "`path`, `env`, `secret`, or `stack` with `output`"


def kubeconfigs(mesh: Mesh) -> Iterator[Problem]:
    """A kubeconfig from two places."""
    for key, cluster in cluster_keys(mesh):
        if cluster.kubeconfig.given or cluster.kubeconfig.output is not None:
            yield from source(f"{key}.kubeconfig", cluster.kubeconfig)


def source(key: str, given: Source) -> Iterator[Problem]:
    """A source that names no place, or two."""
    ways = given.given
    if len(ways) > 1:
        both = "both " if len(ways) == 2 else ""
        yield Problem(key, f"{both}{' and '.join(f'`{way}`' for way in ways)} are given", "Keep the one that holds it")
    elif (given.stack is None) != (given.output is None):
        yield Problem(key, "`stack` and `output` go together", "Give both, for example `stack: acme/clusters/prod`")
    elif not ways:
        yield Problem(key, "it does not say where the text is", f"Give one of {WAYS}")


def api_servers(mesh: Mesh) -> Iterator[Problem]:
    """API servers that no other cluster could reach, or that two clusters name."""
    names = [cluster.name for cluster in mesh.clusters]
    seen: dict[str, str] = {}
    for key, cluster in cluster_keys(mesh):
        server = cluster.api_server
        yield from _url(f"{key}.apiServer", server.url)
        # Behind one address there may be several clusters, told apart by the name in the TLS handshake.
        identity = f"{server.url.rstrip('/')} {server.tls_server_name or ''}"
        if identity in seen:
            yield Problem(
                f"{key}.apiServer",
                f"{server.url} is the API server of {seen[identity]} too",
                "Each cluster of a mesh is listed once, with its own API server",
            )
        seen.setdefault(identity, key.split(".")[-1])
        if server.tls_server_name is not None and not re.match(DNS_NAME, server.tls_server_name):
            cause = f"{server.tls_server_name!r} is not a DNS name"
            yield Problem(f"{key}.apiServer.tlsServerName", cause, "Write a name that stands in the certificate")
        if server.ca_certificate is not None:
            yield from source(f"{key}.apiServer.caCertificate", server.ca_certificate)
        yield from _readers(f"{key}.apiServer.readers", cluster, names)


def _readers(key: str, cluster: Cluster, names: list[str]) -> Iterator[Problem]:
    for reader, url in cluster.api_server.readers.items():
        if reader not in names or reader == cluster.name:
            others = ", ".join(name for name in names if name != cluster.name)
            yield Problem(f"{key}.{reader}", f"no other cluster is called {reader}", f"Clusters here: {others}")
        yield from _url(f"{key}.{reader}", url)


def _url(key: str, text: str) -> Iterator[Problem]:
    url = urlsplit(text)
    if url.scheme != "https" or not url.hostname:
        yield Problem(
            key,
            f"{text!r} is not an https URL",
            "Write https://ADDRESS:PORT, as the other clusters reach this API server",
        )
        return
    if _is_local(url.hostname):
        yield Problem(
            key,
            f"{url.hostname} is the local host of whoever reads it",
            "Give the address at which the other clusters reach this API server",
        )


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
