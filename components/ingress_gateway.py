"""The optional north-south gateway of one cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.gateway import GatewayWorkload, GatewayWorkloadArgs
from topology.defaults import INGRESS_GATEWAY
from topology.gateway import Ingress
from topology.revisions import DEFAULT


@dataclass(frozen=True)
class IngressGatewayArgs:
    """Arguments of :class:`IngressGateway`.

    Attributes:
        namespace: namespace of the gateway.
        ingress: what the user declared.
        istio_version: version of the istiod that injects its proxies.
        revision: its revision.
        image_pull_policy: of the proxy.
    """

    namespace: str
    ingress: Ingress
    istio_version: pulumi.Input[str]
    revision: str = DEFAULT
    image_pull_policy: str = "IfNotPresent"


class IngressGateway(pulumi.ComponentResource):
    """A gateway that users' own Gateways select by ``istio: ingressgateway``.

    Attributes:
        addresses: IPs or hostnames of the load balancer.
    """

    addresses: pulumi.Output[list[str]]

    def __init__(self, name: str, args: IngressGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:IngressGateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        workload = GatewayWorkload(
            f"{name}-gateway",
            GatewayWorkloadArgs(
                workload=INGRESS_GATEWAY,
                namespace=args.namespace,
                istio_label="ingressgateway",
                ports={f"port-{port}": port for port in args.ingress.ports},
                gateway=args.ingress,
                istio_version=args.istio_version,
                revision=args.revision,
                image_pull_policy=args.image_pull_policy,
            ),
            child,
        )
        meta = k8s.meta.v1.ObjectMetaArgs(name=INGRESS_GATEWAY, namespace=args.namespace)
        # The gateway reads the TLS certificates that Gateways name by credentialName.
        role = k8s.rbac.v1.Role(
            f"{name}-role",
            metadata=meta,
            rules=[k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["secrets"], verbs=["get", "watch", "list"])],
            opts=child,
        )
        k8s.rbac.v1.RoleBinding(
            f"{name}-role-binding",
            metadata=meta,
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=INGRESS_GATEWAY),
            subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=INGRESS_GATEWAY, namespace=args.namespace)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.addresses = workload.addresses
        self.register_outputs({"addresses": self.addresses})
