"""What follows from a declared mesh, as plain data: what ``spanmesh topology -o json`` prints.

The keys are stable: keys may be added, none is renamed or removed. docs/configuration.md documents them.
"""

from itertools import permutations
from typing import Any

from topology.defaults import east_west_of, istio_of
from topology.facts import Link, clients_of_gateway, links, networks
from topology.model import Cluster, Mesh
from topology.source import Kubeconfig


def overview(mesh: Mesh) -> dict[str, Any]:
    """The mesh, its networks and clusters, every ordered pair, and who needs which gateway's address."""
    linked = {(link.reader.name, link.peer.name): link for link in links(mesh)}
    clients = clients_of_gateway(mesh)
    return {
        "mesh": {
            "id": mesh.id,
            "trustDomain": mesh.trust_domain,
            "groups": {g: v.stack for g, v in mesh.groups.items()},
        },
        "networks": [
            {"name": name, "clusters": [cluster.name for cluster in clusters]}
            for name, clusters in networks(mesh).items()
        ],
        "clusters": [
            _cluster(mesh, cluster, [client.name for client in clients[cluster.name]]) for cluster in mesh.clusters
        ],
        "pairs": [_pair(a, b, linked.get((a.name, b.name))) for a, b in permutations(mesh.clusters, 2)],
    }


def _cluster(mesh: Mesh, cluster: Cluster, clients: list[str]) -> dict[str, Any]:
    gateway = east_west_of(mesh, cluster)
    return {
        "name": cluster.name,
        "network": cluster.network,
        "region": cluster.region,
        "group": cluster.group,
        "cloud": cluster.cloud,
        "istio": istio_of(mesh, cluster).version,
        "kubeconfig": _kubeconfig(cluster.kubeconfig),
        "apiServer": cluster.api_server.url,
        "linked": cluster.linked,
        "eastWest": {"type": gateway.type, "sourceRanges": gateway.source_ranges, "neededBy": clients},
    }


def _kubeconfig(kubeconfig: Kubeconfig) -> dict[str, str | None]:
    """Where it comes from; never its text."""
    source = next(iter(kubeconfig.given), "default")
    names = {
        "path": kubeconfig.path,
        "env": kubeconfig.env,
        "stack": f"{kubeconfig.stack} {kubeconfig.output}",
    }
    return {"source": source, "name": names.get(source), "context": kubeconfig.context}


def _pair(reader: Cluster, peer: Cluster, link: Link | None) -> dict[str, Any]:
    route = None
    if link is not None:
        route = "gateway" if link.crosses_networks else "direct"
    return {
        "reader": reader.name,
        "peer": peer.name,
        "reads": link is not None,
        "route": route,
        "gatewayOf": peer.name if route == "gateway" else None,
        "apiServer": link.server if link is not None else None,
    }
