"""The networks of a lab: one WAN, and per region a router and a LAN. Only network namespaces, nothing on the host.

Every function brings one piece into the wanted state whatever it finds, so `up` can be run over a half-up lab.
"""

import json
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.plan import (
    LAN_NETWORK,
    LAN_ROUTER_ADDRESS,
    OUTSIDE_ADDRESS,
    SERVICE_NETWORK,
    WAN_BRIDGE_ADDRESS,
    WAN_NETWORK,
    LabPlan,
    NodePlan,
    RegionPlan,
    namespace_prefix,
)

NAMESPACES = Path("/run/netns")
WAN = "wan"
OUTSIDE = "outside"

# Frames between two ports of a bridge are not routed, so a router's FORWARD policy must not see them.
_BRIDGE_SYSCTLS = {"net.bridge.bridge-nf-call-iptables": "0", "net.bridge.bridge-nf-call-ip6tables": "0"}
_NO_IPV6 = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"}
_FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "0"}


def lab_namespaces(lab: str) -> list[str]:
    """The network namespaces of one lab that exist now."""
    if not NAMESPACES.is_dir():
        return []
    prefix = namespace_prefix(lab)
    return sorted(path.name for path in NAMESPACES.iterdir() if path.name.startswith(prefix))


def labs_with_namespaces() -> set[str]:
    """Names of the labs that have network namespaces now."""
    if not NAMESPACES.is_dir():
        return set()
    parts = [path.name.split("-") for path in NAMESPACES.iterdir()]
    return {part[1] for part in parts if len(part) > 2 and namespace_prefix(part[1]) == f"{part[0]}-{part[1]}-"}


def delete_namespaces(lab: str) -> None:
    """Delete every network namespace of one lab; the links in them go with them.

    Raises:
        LabError: one of them cannot be deleted.
    """
    for name in lab_namespaces(lab):
        run(["ip", "netns", "delete", name])


def ensure_wan(plan: LabPlan) -> None:
    """The WAN: a bridge in a namespace of its own, and on it, beside the routers, somebody outside all regions."""
    namespace = plan.namespace(WAN)
    _ensure_namespace(namespace)
    _sysctls(namespace, {**_BRIDGE_SYSCTLS, **_NO_IPV6})
    _ensure_bridge(namespace, WAN)
    _ensure_address(namespace, WAN, f"{WAN_BRIDGE_ADDRESS}/{WAN_NETWORK.prefixlen}")
    outside = plan.namespace(OUTSIDE)
    _ensure_namespace(outside)
    _sysctls(outside, _NO_IPV6)
    _ensure_link(outside, WAN, namespace, OUTSIDE, bridge=WAN)
    _ensure_address(outside, WAN, f"{OUTSIDE_ADDRESS}/{WAN_NETWORK.prefixlen}")


def ensure_region(plan: LabPlan, region: RegionPlan) -> None:
    """One region's router on the WAN, its LAN, and its nodes on that LAN."""
    router = plan.namespace(region.router)
    _ensure_namespace(router)
    _sysctls(router, {**_FORWARDING, **_BRIDGE_SYSCTLS, **_NO_IPV6})
    _ensure_link(router, WAN, plan.namespace(WAN), f"region{region.index}", bridge=WAN)
    _ensure_address(router, WAN, f"{region.api_address}/{WAN_NETWORK.prefixlen}")
    _ensure_bridge(router, "lan")
    _ensure_address(router, "lan", f"{LAN_ROUTER_ADDRESS}/{LAN_NETWORK.prefixlen}")
    for node in region.nodes:
        _ensure_node(plan, region, node)
        run(["ip", "-n", router, "route", "replace", str(node.pod_network), "via", str(node.address)])
    # For Services' externalIPs, which the router forwards to cluster IPs: kube-proxy on any node knows those.
    run(["ip", "-n", router, "route", "replace", str(SERVICE_NETWORK), "via", str(region.control_plane.address)])
    for peer in plan.flat_peers(region):
        run(["ip", "-n", router, "route", "replace", str(peer.pod_network), "via", str(peer.api_address)])


def _ensure_node(plan: LabPlan, region: RegionPlan, node: NodePlan) -> None:
    namespace = plan.namespace(node.machine)
    _ensure_namespace(namespace)
    _sysctls(namespace, _FORWARDING)
    _ensure_link(namespace, "eth0", plan.namespace(region.router), node.name, bridge="lan")
    _ensure_address(namespace, "eth0", f"{node.address}/{LAN_NETWORK.prefixlen}")
    run(["ip", "-n", namespace, "route", "replace", "default", "via", str(LAN_ROUTER_ADDRESS)])
    for peer in region.nodes:
        if peer != node:
            run(["ip", "-n", namespace, "route", "replace", str(peer.pod_network), "via", str(peer.address)])


def _ensure_namespace(name: str) -> None:
    if (NAMESPACES / name).exists() and not _is_live(name):
        # A plain file of that name is left when `ip netns add` was ended in its middle.
        (NAMESPACES / name).unlink()
    if not (NAMESPACES / name).exists():
        run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])


def _is_live(name: str) -> bool:
    try:
        run(["nsenter", f"--net={NAMESPACES / name}", "true"])
    except LabError:
        return False
    return True


def _links(namespace: str) -> set[str]:
    return {link["ifname"] for link in json.loads(run(["ip", "-n", namespace, "-j", "link", "show"]) or "[]")}


def _ensure_bridge(namespace: str, name: str) -> None:
    if name not in _links(namespace):
        run(["ip", "-n", namespace, "link", "add", name, "type", "bridge"])
    run(["ip", "-n", namespace, "link", "set", name, "up"])


def _ensure_link(namespace: str, name: str, peer_namespace: str, peer: str, *, bridge: str) -> None:
    """A cable between two namespaces, made directly in them; its far end is a port of a bridge."""
    if name not in _links(namespace):
        if peer in _links(peer_namespace):
            run(["ip", "-n", peer_namespace, "link", "delete", peer])
        ends = [name, "netns", namespace, "type", "veth", "peer", "name", peer, "netns", peer_namespace]
        run(["ip", "link", "add", *ends])
    run(["ip", "-n", peer_namespace, "link", "set", peer, "master", bridge, "up"])
    run(["ip", "-n", namespace, "link", "set", name, "up"])


def _ensure_address(namespace: str, link: str, address: str) -> None:
    run(["ip", "-n", namespace, "address", "replace", address, "dev", link])


def _sysctls(namespace: str, settings: dict[str, str]) -> None:
    pairs = [f"{key}={value}" for key, value in settings.items()]
    # -e: without the br_netfilter module there are no bridge settings, and nothing to switch off either.
    run(["nsenter", f"--net={NAMESPACES / namespace}", "sysctl", "-q", "-e", "-w", *pairs])
