"""What the nodes of a cluster say of its network and its region."""

import ipaddress
from dataclasses import dataclass, field

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess

REGION = "topology.kubernetes.io/region"


@dataclass(frozen=True)
class NodeFacts:
    """Of all nodes of one cluster.

    Attributes:
        pod_ranges: the ranges that their pods get addresses from; empty where the cluster's network plug-in keeps
            them elsewhere.
        regions: their regions.
    """

    pod_ranges: frozenset[ipaddress.IPv4Network | ipaddress.IPv6Network] = field(default_factory=frozenset)
    regions: frozenset[str] = field(default_factory=frozenset)


def node_facts(access: ClusterAccess) -> NodeFacts:
    """Read the nodes of one cluster."""
    ranges: set[ipaddress.IPv4Network | ipaddress.IPv6Network] = set()
    regions: set[str] = set()
    with api_client(access) as api:
        nodes = client.CoreV1Api(api).list_node(_request_timeout=TIMEOUT).items
    for node in nodes:
        ranges |= {ipaddress.ip_network(each) for each in node.spec.pod_cidrs or ()}
        regions |= {(node.metadata.labels or {}).get(REGION, "")} - {""}
    return NodeFacts(frozenset(ranges), frozenset(regions))


def overlap(one: NodeFacts, other: NodeFacts) -> str | None:
    """A range that pods of both clusters may have addresses from; None where there is none."""
    for mine in sorted(one.pod_ranges, key=str):
        for theirs in sorted(other.pod_ranges, key=str):
            if mine.version == theirs.version and mine.overlaps(theirs):
                return str(mine)
    return None
