"""Everything of the mesh that stands in one cluster, but for its access to the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.control_plane import ControlPlane, ControlPlaneArgs
from components.east_west_gateway import EastWestGateway, EastWestGatewayArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from components.intermediate_ca import IntermediateCA, IntermediateCAArgs
from components.root_ca import RootCA
from topology import model
from topology.defaults import NAMESPACE, istio_of


@dataclass(frozen=True)
class ClusterArgs:
    """Arguments of :class:`Cluster`.

    Attributes:
        mesh: the whole declared mesh.
        cluster: the declared cluster.
        root: the root CA of the mesh.
        on_error: hooks that are asked when a Helm release fails.
    """

    mesh: model.Mesh
    cluster: model.Cluster
    root: RootCA
    on_error: Sequence[pulumi.ErrorHook] = field(default=())


class Cluster(pulumi.ComponentResource):
    """Namespace, intermediate CA, istiod and gateways of one cluster, in the order that istiod needs.

    Attributes:
        namespace: the namespace istio-system, labelled with the cluster's network.
        intermediate: the cluster's CA.
        control_plane: istiod.
        east_west: the east-west gateway.
        ingress: the north-south gateway, where one is declared.
    """

    namespace: k8s.core.v1.Namespace
    intermediate: IntermediateCA
    control_plane: ControlPlane
    east_west: EastWestGateway
    ingress: IngressGateway | None

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Cluster", name, None, opts)
        cluster, trust = args.cluster, args.mesh.trust
        istio = istio_of(args.mesh, cluster)
        self.namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=NAMESPACE, labels={"topology.istio.io/network": cluster.network}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.intermediate = IntermediateCA(
            f"{name}-intermediate",
            IntermediateCAArgs(
                cluster=cluster.name,
                root=args.root,
                namespace=NAMESPACE,
                algorithm=trust.algorithm,
                validity_days=trust.intermediate_validity_days,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[self.namespace]),
        )
        self.control_plane = ControlPlane(
            f"{name}-control-plane",
            ControlPlaneArgs(
                cluster=cluster.name,
                network=cluster.network,
                mesh_id=args.mesh.id,
                trust_domain=args.mesh.trust_domain,
                istio=istio,
                namespace=NAMESPACE,
                on_error=args.on_error,
            ),
            # istiod without cacerts would make a root of its own.
            pulumi.ResourceOptions(parent=self, depends_on=[self.intermediate]),
        )
        pull_policy = istio.values.get("global", {}).get("imagePullPolicy", "IfNotPresent")
        after_istiod = pulumi.ResourceOptions(parent=self, depends_on=[self.control_plane])
        self.east_west = EastWestGateway(
            f"{name}-east-west",
            EastWestGatewayArgs(
                network=cluster.network, namespace=NAMESPACE, gateway=cluster.east_west, image_pull_policy=pull_policy
            ),
            after_istiod,
        )
        self.ingress = (
            IngressGateway(
                f"{name}-ingress",
                IngressGatewayArgs(namespace=NAMESPACE, ingress=cluster.ingress, image_pull_policy=pull_policy),
                after_istiod,
            )
            if cluster.ingress
            else None
        )
        self.register_outputs(self.summary())

    def summary(self) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of the cluster; nothing secret."""
        return {
            "network": self.namespace.metadata.apply(lambda m: (m.labels or {}).get("topology.istio.io/network")),
            "istioVersion": self.control_plane.version,
            "intermediateExpires": self.intermediate.expires,
            "eastWest": {"addresses": self.east_west.addresses, "port": self.east_west.port},
            "ingress": {"addresses": self.ingress.addresses} if self.ingress else None,
        }
