"""The gateway through which other networks reach the Services of one cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.gateway import GatewayWorkload, GatewayWorkloadArgs
from topology.defaults import EAST_WEST_GATEWAY, NETWORK_LABEL
from topology.gateway import Gateway
from topology.revisions import DEFAULT

PORT = 15443


@dataclass(frozen=True)
class EastWestGatewayArgs:
    """Arguments of :class:`EastWestGateway`.

    Attributes:
        network: Istio's network that it leads into.
        namespace: namespace of istiod.
        gateway: what the user declared.
        istio_version: version of the istiod that injects its proxies.
        revision: its revision.
        image_pull_policy: of the proxy.
    """

    network: str
    namespace: str
    gateway: Gateway
    istio_version: pulumi.Input[str]
    revision: str = DEFAULT
    image_pull_policy: str = "IfNotPresent"


class EastWestGateway(pulumi.ComponentResource):
    """The gateway and the Gateway ``cross-network-gateway`` that exposes every Service of the cluster.

    As https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network has it, with ports 15021
    and 15443 only.

    Attributes:
        addresses: IPs or hostnames of the load balancer.
        port: port of mutual TLS, routed by SNI.
    """

    addresses: pulumi.Output[list[str]]
    port: int

    def __init__(self, name: str, args: EastWestGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:EastWestGateway", name, None, opts)
        workload = GatewayWorkload(
            f"{name}-gateway",
            GatewayWorkloadArgs(
                workload=EAST_WEST_GATEWAY,
                namespace=args.namespace,
                istio_label="eastwestgateway",
                ports={"tls": PORT},
                gateway=args.gateway,
                istio_version=args.istio_version,
                revision=args.revision,
                image_pull_policy=args.image_pull_policy,
                # istiod finds a network's gateway by this label of its Service.
                labels={NETWORK_LABEL: args.network},
                env={"ISTIO_META_REQUESTED_NETWORK_VIEW": args.network},
            ),
            pulumi.ResourceOptions(parent=self),
        )
        k8s.apiextensions.CustomResource(
            f"{name}-cross-network",
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="cross-network-gateway", namespace=args.namespace),
            spec={
                "selector": {"istio": "eastwestgateway"},
                "servers": [
                    {
                        "port": {"number": PORT, "name": "tls", "protocol": "TLS"},
                        "tls": {"mode": "AUTO_PASSTHROUGH"},
                        "hosts": ["*.local"],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.addresses = workload.addresses
        self.port = PORT
        self.register_outputs({"addresses": self.addresses, "port": self.port})
