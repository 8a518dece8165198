"""The fixed firewall and NAT rules of a region's router; those of load balancers stand in chains of their own."""

from collections.abc import Sequence

from lab.commands import run, succeeds
from lab.network import NAMESPACES
from lab.plan import API_PORT, LAN_NETWORK, WAN_NETWORK, LabPlan, RegionPlan

# Filled by the load balancer controller.
LOAD_BALANCER_NAT_CHAIN = "SPANMESH-LB-NAT"
LOAD_BALANCER_FILTER_CHAIN = "SPANMESH-LB-FILTER"


def ensure_router_rules(plan: LabPlan, region: RegionPlan) -> None:
    """Write the router's fixed rules in one transaction per table, leaving the load balancers' chains as they are.

    Raises:
        LabError: iptables refuses them.
    """
    enter = ["nsenter", f"--net={NAMESPACES / plan.namespace(region.router)}"]

    def missing(table: str, chain: str) -> bool:
        return not succeeds([*enter, "iptables", "-w", "-t", table, "-n", "-L", chain])

    rules = base_rules(
        region,
        plan.flat_peers(region),
        declare_nat_chain=missing("nat", LOAD_BALANCER_NAT_CHAIN),
        declare_filter_chain=missing("filter", LOAD_BALANCER_FILTER_CHAIN),
    )
    run([*enter, "iptables-restore", "-w", "5", "--noflush"], stdin=rules)


def base_rules(
    region: RegionPlan, flat_peers: Sequence[RegionPlan] = (), *, declare_nat_chain: bool, declare_filter_chain: bool
) -> str:
    """The rules as input of `iptables-restore --noflush`.

    Declaring a chain that exists would empty it, so each of the two is declared only where it is missing.

    Nothing is forwarded but: the API server's public port, what load balancers let in, from inside to public
    addresses, and between the pods of regions on one network. The source of everything that leaves is the router's
    own public address, but for pods that speak to pods of such a region; packets that connection tracking calls
    invalid are dropped because NAT would not touch their private source.

    Args:
        region: the router's region.
        flat_peers: the other regions on its network.
        declare_nat_chain: whether to declare the load balancers' chain of the table nat.
        declare_filter_chain: whether to declare the load balancers' chain of the table filter.
    """
    api = f"{region.control_plane.address}:{API_PORT}"
    pods = region.pod_network
    inside = f"{LAN_NETWORK},{pods}"
    peers = [peer.pod_network for peer in flat_peers]
    unchanged = "".join(f"-A POSTROUTING -s {pods} -d {peer} -o wan -j ACCEPT\n" for peer in peers)
    between_pods = "".join(
        f"-A FORWARD -i lan -o wan -s {pods} -d {peer} -j ACCEPT\n"
        f"-A FORWARD -i wan -o lan -s {peer} -d {pods} -j ACCEPT\n"
        for peer in peers
    )
    nat_chain = f":{LOAD_BALANCER_NAT_CHAIN} - [0:0]\n" if declare_nat_chain else ""
    filter_chain = f":{LOAD_BALANCER_FILTER_CHAIN} - [0:0]\n" if declare_filter_chain else ""
    return f"""*nat
{nat_chain}-F PREROUTING
-F POSTROUTING
-A PREROUTING -d {region.api_address}/32 -p tcp --dport {API_PORT} -j DNAT --to-destination {api}
-A PREROUTING -m addrtype --dst-type LOCAL -j {LOAD_BALANCER_NAT_CHAIN}
{unchanged}-A POSTROUTING -s {inside} -o wan -j SNAT --to-source {region.api_address}
-A POSTROUTING -s {inside} -o lan -m conntrack --ctstate DNAT -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
{filter_chain}-F INPUT
-F FORWARD
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate DNAT --ctorigdst {region.api_address} --ctorigdstport {API_PORT} -j ACCEPT
-A FORWARD -m conntrack --ctstate DNAT -j {LOAD_BALANCER_FILTER_CHAIN}
-A FORWARD -m conntrack --ctstate DNAT -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
{between_pods}-A FORWARD -i lan -o wan -s {inside} -d {WAN_NETWORK} -j ACCEPT
COMMIT
"""
