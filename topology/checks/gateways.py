"""Gateways: whom they let in, and whether other networks can reach them at all."""

import ipaddress
from collections.abc import Iterator

from topology.checks.keys import ROOT, cluster_keys
from topology.clouds import address_kind, cloud_problems, restricted, unknown_cloud
from topology.defaults import east_west_of, ingress_of, istio_of, preset_of
from topology.errors import Problem
from topology.facts import clients_of_gateway, links
from topology.gateway import Gateway
from topology.model import Cluster, Mesh

NODE_SELECTOR = "traffic.istio.io/nodeSelector"
RESOLVE_HOSTNAMES = "RESOLVE_HOSTNAME_GATEWAYS"


def gateways(mesh: Mesh) -> Iterator[Problem]:
    """Keys of gateways that do not fit together."""
    yield from _ranges(f"{ROOT}.eastWest.sourceRanges", mesh.east_west.source_ranges)
    clients = clients_of_gateway(mesh)
    for key, cluster in cluster_keys(mesh):
        if cluster.cloud is not None and preset_of(cluster) is None:
            yield Problem(f"{key}.cloud", *unknown_cloud(cluster.cloud))
        yield from _ranges(f"{key}.egress", cluster.egress)
        east_west = east_west_of(mesh, cluster)
        yield from _gateway(f"{key}.eastWest", cluster.east_west, east_west)
        if clients[cluster.name]:
            yield from _address(f"{key}.eastWest", east_west)
        yield from _cloud(f"{key}.eastWest", cluster, east_west)
        if (ingress := ingress_of(cluster)) is not None:
            yield from _gateway(f"{key}.ingress", ingress, ingress)
            yield from _cloud(f"{key}.ingress", cluster, ingress)


def _cloud(key: str, cluster: Cluster, gateway: Gateway) -> Iterator[Problem]:
    if preset := preset_of(cluster):
        yield from cloud_problems(key, preset, gateway)


def _gateway(key: str, own: Gateway, whole: Gateway) -> Iterator[Problem]:
    yield from _ranges(f"{key}.sourceRanges", own.source_ranges)
    for index, text in enumerate(own.external_ips):
        try:
            ipaddress.ip_address(text)
        except ValueError as error:
            yield Problem(f"{key}.externalIPs[{index}]", str(error), "Write an address such as 203.0.113.12")
    if whole.max_replicas is not None and whole.max_replicas < whole.replicas:
        cause = f"{whole.max_replicas} is less than replicas, {whole.replicas}"
        yield Problem(f"{key}.maxReplicas", cause, "Make it the larger of the two")
    if whole.load_balancer_class is not None and whole.type != "LoadBalancer":
        cause = f"a Service of type {whole.type} has no load balancer"
        yield Problem(f"{key}.loadBalancerClass", cause, "Remove it, or write `type: LoadBalancer`")
    if whole.type == "ClusterIP" and whole.external_traffic_policy is not None and not whole.external_ips:
        cause = "Kubernetes refuses it on a Service that nothing outside reaches"
        yield Problem(f"{key}.externalTrafficPolicy", cause, "Remove it")
    if whole.type != "LoadBalancer" and whole.source_ranges:
        cause = f"Kubernetes refuses it on a Service of type {whole.type}"
        yield Problem(f"{key}.sourceRanges", cause, "Restrict the nodes' addresses by a firewall instead")
    for index, toleration in enumerate(own.tolerations):
        if toleration.operator == "Exists" and toleration.value is not None:
            yield Problem(f"{key}.tolerations[{index}].value", "Exists takes no value", "Remove it")
        if toleration.operator == "Equal" and toleration.key is None:
            cause = "Equal needs the taint's key"
            yield Problem(f"{key}.tolerations[{index}].key", cause, "Give it, or write `operator: Exists`")


def _ranges(key: str, texts: list[str]) -> Iterator[Problem]:
    for index, text in enumerate(texts):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield Problem(f"{key}[{index}]", str(error), "Write a CIDR such as 203.0.113.12/32")


def _address(key: str, gateway: Gateway) -> Iterator[Problem]:
    if gateway.type == "ClusterIP" and not gateway.external_ips:
        yield Problem(
            f"{key}.type",
            "a Service of type ClusterIP has no address that other networks reach",
            "Give `externalIPs`, or another type",
        )
    # https://istio.io/latest/docs/reference/config/annotations/#TrafficNodeSelector
    if gateway.type == "NodePort" and not gateway.external_ips and NODE_SELECTOR not in gateway.annotations:
        yield Problem(
            f"{key}.annotations",
            f"with type NodePort istiod takes the addresses of the nodes that {NODE_SELECTOR} selects",
            f'Give it, for example {NODE_SELECTOR}: \'{{"kubernetes.io/os": "linux"}}\'',
        )


def shut_out(mesh: Mesh) -> Iterator[Problem]:
    """Source ranges of a gateway that leave out where a linked cluster's traffic comes from."""
    keys = {cluster.name: key for key, cluster in cluster_keys(mesh)}
    for link in links(mesh):
        ranges = _networks(east_west_of(mesh, link.peer).source_ranges)
        if not link.crosses_networks or not ranges:
            continue
        for address in _networks(link.reader.egress):
            if not any(address.version == r.version and address.subnet_of(r) for r in ranges):  # type: ignore[arg-type]
                yield Problem(
                    f"{keys[link.peer.name]}.eastWest.sourceRanges",
                    f"it shuts out {link.reader.name}, whose traffic comes from {address}",
                    f"Add {address}",
                )


def _networks(texts: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:  # named by _ranges
            continue
    return found


def hostnames_not_resolved(mesh: Mesh) -> Iterator[Problem]:
    """Gateways with a hostname, read by an istiod that is told not to resolve any."""
    for link in links(mesh):
        preset = preset_of(link.peer)
        if not link.crosses_networks or preset is None:
            continue
        kind = address_kind(preset, east_west_of(mesh, link.peer))
        resolves = istio_of(mesh, link.reader).env.get(RESOLVE_HOSTNAMES, "true")
        if kind == "hostname" and resolves.lower() in ("false", "0", "f"):
            yield Problem(
                f"{ROOT}.clusters[{mesh.clusters.index(link.reader)}].istio.env.{RESOLVE_HOSTNAMES}",
                f"the gateway of {link.peer.name} on {link.peer.cloud} has a hostname, which istiod of "
                f"{link.reader.name} then does not resolve (istio#29359)",
                "Remove it",
            )


def open_to_everyone(mesh: Mesh) -> Iterator[Problem]:
    """East-west gateways with a load balancer and nothing said of who may reach them."""
    clients = clients_of_gateway(mesh)
    for key, cluster in cluster_keys(mesh):
        gateway = east_west_of(mesh, cluster)
        if not clients[cluster.name] or gateway.type != "LoadBalancer":
            continue
        preset = preset_of(cluster)
        if not (restricted(preset, gateway) if preset else gateway.source_ranges):
            yield Problem(
                f"{key}.eastWest.sourceRanges",
                f"anyone who reaches the address of {cluster.name}'s east-west gateway may try a TLS handshake with it",
                "List where the other clusters' traffic comes from"
                + (", or use the means of the cloud (docs/clouds.md)" if preset else ""),
            )
