"""Checks that need more than one key, made before anything is touched."""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from topology.errors import Problem
from topology.model import Cluster, Gateway, Istio, Mesh

ROOT = "spanmesh:mesh"
# What says which mesh, cluster and image a proxy belongs to: one place to set it, or the parts of a mesh disagree.
IDENTITY_VALUES = {
    "global.hub": "istio.hub",
    "global.tag": "istio.version",
    "global.meshID": "id",
    "global.network": "network",
    "global.multiCluster.clusterName": "name",
    "meshConfig.trustDomain": "trustDomain",
}


def check(mesh: Mesh) -> list[Problem]:
    """Everything wrong with a mesh whose single keys are well-formed."""
    problems = list(_cluster_names(mesh))
    for index, cluster in enumerate(mesh.clusters):
        key = f"{ROOT}.clusters[{index}]"
        problems += _kubeconfig(key, cluster)
        problems += _api_server(key, cluster)
        problems += _source_ranges(f"{key}.eastWest", cluster.east_west)
        if cluster.ingress:
            problems += _source_ranges(f"{key}.ingress", cluster.ingress)
        problems += _identity_in_values(f"{key}.istio", cluster.istio)
    problems += _identity_in_values(f"{ROOT}.istio", mesh.istio)
    problems += _same_api_server(mesh)
    problems += _links(mesh)
    problems += _lifetimes(mesh)
    return problems


def _cluster_names(mesh: Mesh) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, cluster in enumerate(mesh.clusters):
        if cluster.name in first:
            yield Problem(
                f"{ROOT}.clusters[{index}].name",
                f"{cluster.name} is the name of clusters[{first[cluster.name]}] too",
                "Give each cluster a name of its own: istiod tells clusters apart by it",
            )
        first.setdefault(cluster.name, index)


def _kubeconfig(key: str, cluster: Cluster) -> Iterator[Problem]:
    if cluster.kubeconfig.path and cluster.kubeconfig.env:
        yield Problem(f"{key}.kubeconfig", "both `path` and `env` are given", "Keep the one that holds it")


def _api_server(key: str, cluster: Cluster) -> Iterator[Problem]:
    url = urlsplit(cluster.api_server)
    if url.scheme != "https" or not url.hostname:
        yield Problem(
            f"{key}.apiServer",
            f"{cluster.api_server!r} is not an https URL",
            "Write https://ADDRESS:PORT, as the other clusters reach this API server",
        )
        return
    if _is_local(url.hostname):
        yield Problem(
            f"{key}.apiServer",
            f"{url.hostname} is the local host of whoever reads it",
            "Give the address at which the other clusters reach this API server",
        )


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _same_api_server(mesh: Mesh) -> Iterator[Problem]:
    counts = Counter(c.api_server.rstrip("/") for c in mesh.clusters)
    seen: dict[str, int] = {}
    for index, cluster in enumerate(mesh.clusters):
        url = cluster.api_server.rstrip("/")
        if counts[url] > 1 and url in seen:
            yield Problem(
                f"{ROOT}.clusters[{index}].apiServer",
                f"{url} is the API server of clusters[{seen[url]}] too",
                "Each cluster of a mesh is listed once, with its own API server",
            )
        seen.setdefault(url, index)


def _source_ranges(key: str, gateway: Gateway) -> Iterator[Problem]:
    for index, text in enumerate(gateway.source_ranges):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield Problem(f"{key}.sourceRanges[{index}]", str(error), "Write a CIDR such as 203.0.113.12/32")


def _identity_in_values(key: str, istio: Istio) -> Iterator[Problem]:
    for path, own_key in IDENTITY_VALUES.items():
        at: object = istio.values
        for step in path.split("."):
            at = at.get(step) if isinstance(at, dict) else None
        if at is not None:
            cause = f"it is set by the stack file's own key `{own_key}`"
            yield Problem(f"{key}.values.{path}", cause, "Remove it here")


def _links(mesh: Mesh) -> Iterator[Problem]:
    if mesh.links == "full":
        return
    names = [c.name for c in mesh.clusters]
    readers: set[str] = set()
    for index, entry in enumerate(mesh.links):
        key = f"{ROOT}.links[{index}]"
        known = f"Clusters here: {', '.join(names)}"
        if entry.reader not in names:
            yield Problem(f"{key}.reader", f"no cluster is called {entry.reader}", known)
        if entry.reader in readers:
            yield Problem(f"{key}.reader", f"{entry.reader} has an entry already", "Put its peers together")
        readers.add(entry.reader)
        for at, peer in enumerate(entry.peers):
            if peer not in names:
                yield Problem(f"{key}.peers[{at}]", f"no cluster is called {peer}", known)
            elif peer == entry.reader:
                yield Problem(
                    f"{key}.peers[{at}]",
                    f"{peer} would read itself from afar",
                    "istiod reads its own cluster anyway: leave it out",
                )
            elif peer in entry.peers[:at]:
                yield Problem(f"{key}.peers[{at}]", f"{peer} is listed twice", "Keep one")


def _lifetimes(mesh: Mesh) -> Iterator[Problem]:
    if mesh.trust.intermediate_validity_days > mesh.trust.root_validity_days:
        yield Problem(
            f"{ROOT}.trust.intermediateValidityDays",
            "the intermediates would outlive the root",
            "Make it smaller than rootValidityDays",
        )
