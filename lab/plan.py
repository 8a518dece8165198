"""Names and addresses of a lab: what follows from its name, its regions and its nodes. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.errors import LabError

REGION_NAMES = (
    "cn-north-4",
    "cn-east-3",
    "cn-south-1",
    "cn-southwest-2",
    "cn-north-9",
    "cn-east-4",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "af-south-1",
    "sa-brazil-1",
)
MAX_NODES = 9
API_PORT = 6443

WAN_NETWORK = IPv4Network("198.51.100.0/24")
WAN_BRIDGE_ADDRESS = IPv4Address("198.51.100.1")
POOL_SIZE = 16
# On the WAN beside all regions: who belongs to none of them.
OUTSIDE_ADDRESS = IPv4Address("198.51.100.250")
# Host names of load balancers, where a cloud gives no address.
BALANCER_ZONE = "elb.lab.internal"

# The same in every region on purpose: nothing may depend on the ranges being different. Of regions on one network
# the first has these as well, and only the pod ranges of the others differ.
LAN_NETWORK = IPv4Network("10.0.0.0/24")
LAN_ROUTER_ADDRESS = IPv4Address("10.0.0.1")
POD_NETWORK = IPv4Network("10.244.0.0/16")
SERVICE_NETWORK = IPv4Network("10.96.0.0/16")
KUBERNETES_SERVICE_ADDRESS = IPv4Address("10.96.0.1")
DNS_SERVICE_ADDRESS = IPv4Address("10.96.0.10")

# No hyphen: `spanmesh-<lab>-<machine>` must tell the lab `a` from a lab `a-b`.
_LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,19}")


def namespace_prefix(lab: str) -> str:
    """What the network namespaces of one lab, and of no other, begin with."""
    return f"spanmesh-{lab}-"


def check_lab_name(name: str) -> None:
    """Refuse a name that cannot stand in the names of namespaces, folders and cgroups.

    Raises:
        LabError: the name is not 1 to 20 lower-case letters and digits beginning with a letter.
    """
    if not _LAB_NAME.fullmatch(name):
        raise LabError(
            f"lab name {name!r} cannot be used: take 1 to 20 lower-case letters and digits, "
            "beginning with a letter, for example `demo`"
        )


@dataclass(frozen=True)
class NodePlan:
    """One node of a region; `index` counts from 1, and node 1 also runs the control plane."""

    region: str
    index: int
    region_pods: IPv4Network = POD_NETWORK

    @property
    def name(self) -> str:
        """The node's name in Kubernetes, the same in every region."""
        return f"node{self.index}"

    @property
    def machine(self) -> str:
        """The machine's name within the lab."""
        return f"{self.region}-{self.name}"

    @property
    def address(self) -> IPv4Address:
        """The node's address in its region's LAN."""
        return LAN_NETWORK[10 + self.index]

    @property
    def pod_network(self) -> IPv4Network:
        """The /24 of pod addresses that this node hands out."""
        return list(self.region_pods.subnets(new_prefix=24))[self.index - 1]

    @property
    def zone(self) -> str:
        """Label topology.kubernetes.io/zone: the region with a, b, c."""
        return f"{self.region}{'abc'[(self.index - 1) % 3]}"


@dataclass(frozen=True)
class RegionPlan:
    """One region; `index` counts from 1 in the order of the lab.

    `flat_index` counts from 0 in the order of the regions on its network.
    """

    name: str
    index: int
    node_count: int
    flat_index: int = 0

    @property
    def cluster(self) -> str:
        """Name of the region's cluster and of its context in kubeconfigs."""
        return f"cluster{self.index}"

    @property
    def router(self) -> str:
        """The router machine's name within the lab."""
        return f"{self.name}-router"

    @property
    def api_address(self) -> IPv4Address:
        """The router's own public address, on which the API server answers."""
        return WAN_NETWORK[10 + self.index]

    @property
    def api_url(self) -> str:
        """The API server as other regions reach it."""
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def load_balancer_pool(self) -> tuple[IPv4Address, ...]:
        """The public addresses that the region's load balancers get."""
        first = 64 + POOL_SIZE * (self.index - 1)
        return tuple(WAN_NETWORK[offset] for offset in range(first, first + POOL_SIZE))

    @property
    def pod_network(self) -> IPv4Network:
        """The /16 of the region's pods: the same in every region but for those on one network."""
        return IPv4Network((int(POD_NETWORK.network_address) + (self.flat_index << 16), POD_NETWORK.prefixlen))

    @property
    def nodes(self) -> tuple[NodePlan, ...]:
        """The region's nodes, the one with the control plane first."""
        return tuple(NodePlan(self.name, index, self.pod_network) for index in range(1, self.node_count + 1))

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the region's machines within the lab: the router, then the nodes."""
        return (self.router, *(node.machine for node in self.nodes))

    @property
    def control_plane(self) -> NodePlan:
        """The node that runs etcd and the Kubernetes control plane."""
        return self.nodes[0]


@dataclass(frozen=True)
class LabPlan:
    """A whole lab.

    Attributes:
        name: its name.
        region_count: number of regions.
        node_count: nodes in each region.
        flat: groups of regions, by name, whose pods reach each other directly; every other region is alone.
    """

    name: str
    region_count: int
    node_count: int
    flat: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        check_lab_name(self.name)
        if not 1 <= self.region_count <= len(REGION_NAMES):
            raise LabError(
                f"lab {self.name}: {self.region_count} regions cannot be had, take 1 to {len(REGION_NAMES)}: "
                f"the public range {WAN_NETWORK} has load balancer addresses for no more"
            )
        if not 1 <= self.node_count <= MAX_NODES:
            raise LabError(f"lab {self.name}: {self.node_count} nodes per region cannot be had, take 1 to {MAX_NODES}")

    @property
    def regions(self) -> tuple[RegionPlan, ...]:
        """The regions in order."""
        names = REGION_NAMES[: self.region_count]
        place = {name: group.index(name) for group in self.flat for name in group}
        return tuple(
            RegionPlan(name, index, self.node_count, place.get(name, 0)) for index, name in enumerate(names, start=1)
        )

    @property
    def networks(self) -> tuple[tuple[RegionPlan, ...], ...]:
        """The regions by network, in order: within one of these groups pods reach each other directly."""
        found: list[tuple[RegionPlan, ...]] = []
        for region in self.regions:
            if region.flat_index == 0:
                names = next((group for group in self.flat if region.name in group), (region.name,))
                found.append(tuple(each for each in self.regions if each.name in names))
        return tuple(found)

    def flat_peers(self, region: RegionPlan) -> tuple[RegionPlan, ...]:
        """The other regions on a region's network."""
        group = next(group for group in self.networks if region in group)
        return tuple(each for each in group if each != region)

    def region(self, name: str) -> RegionPlan:
        """The region with this name, or whose cluster has this name.

        Raises:
            LabError: the lab has no such region.
        """
        for region in self.regions:
            if name in (region.name, region.cluster):
                return region
        known = ", ".join(f"{region.name} ({region.cluster})" for region in self.regions)
        raise LabError(f"lab {self.name} has no region {name!r}; it has {known}")

    def namespace(self, machine: str) -> str:
        """The network namespace of one of the lab's machines (or of `wan`)."""
        return namespace_prefix(self.name) + machine


def flat_groups(plan: LabPlan, groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of regions on one network, checked and in the lab's order.

    Args:
        plan: the lab; its own groups do not matter.
        groups: each with the names of at least two regions, or of their clusters.

    Raises:
        LabError: a group has fewer than two regions, an unknown one, or one that another group has.
    """
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        regions = {plan.region(name) for name in group}
        if len(regions) < 2:
            raise LabError(
                f"lab {plan.name}: {','.join(group) or 'an empty group'} is no network of several regions; "
                "name at least two different ones, for example cluster2,cluster3"
            )
        names = tuple(each.name for each in plan.regions if each in regions)
        for region in sorted(regions, key=lambda each: each.index):
            if found.get(region.name, names) != names:
                raise LabError(
                    f"lab {plan.name}: {region.name} ({region.cluster}) is in two groups of regions on one network; "
                    "put all that shall reach each other into one group"
                )
            found[region.name] = names
    return tuple(dict.fromkeys(found[each.name] for each in plan.regions if each.name in found))
