"""istiod and the gateways of one cluster."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.control_plane import ControlPlane, ControlPlaneArgs
from components.east_west_gateway import EastWestGateway, EastWestGatewayArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from topology import model
from topology.defaults import NAMESPACE, east_west_of, ingress_of, istio_of
from topology.revisions import by_revisions, declared_revisions, default_revision


@dataclass(frozen=True)
class Upgrades:
    """What clusters whose Istio changes wait for; nothing is in it of those that keep theirs, or get their first.

    Attributes:
        after: for the name of a cluster that waits, the cluster that has to be ready before it is touched.
        only_new: for the name of a cluster, what returns once all istiods of its default revision are of the new
            version, so that no other one injects its gateways' proxies.
    """

    after: Mapping[str, str] = field(default_factory=dict)
    only_new: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterArgs:
    """Arguments of :class:`Cluster`.

    Attributes:
        mesh: the whole declared mesh.
        cluster: the declared cluster; its namespace istio-system and the Secret ``cacerts`` have to stand.
        on_error: hooks that are asked when a Helm release fails.
        only_new: returns once all istiods of the default revision are of the declared version; None: they are already.
    """

    mesh: model.Mesh
    cluster: model.Cluster
    on_error: Sequence[pulumi.ErrorHook] = field(default=())
    only_new: Callable[[], Awaitable[None]] | None = None


class Cluster(pulumi.ComponentResource):
    """istiod and gateways of one cluster, in the order that they need.

    Attributes:
        control_plane: istiod.
        east_west: the east-west gateway.
        ingress: the north-south gateway, where one is declared.
        revisions: by revision, the version of its istiod; empty where none is named.
    """

    control_plane: ControlPlane
    east_west: EastWestGateway
    ingress: IngressGateway | None
    revisions: dict[str, str]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Cluster", name, None, opts)
        cluster = args.cluster
        istio = istio_of(args.mesh, cluster)
        self.revisions = {r.name: r.version for r in declared_revisions(istio)} if by_revisions(istio) else {}
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
            pulumi.ResourceOptions(parent=self),
        )
        pull_policy = istio.values.get("global", {}).get("imagePullPolicy", "IfNotPresent")
        version = self.control_plane.once_ready(args.only_new) if args.only_new else self.control_plane.version
        revision = default_revision(istio).name
        after_istiod = pulumi.ResourceOptions(parent=self, depends_on=[self.control_plane])
        self.east_west = EastWestGateway(
            f"{name}-east-west",
            EastWestGatewayArgs(
                network=cluster.network,
                namespace=NAMESPACE,
                gateway=east_west_of(args.mesh, cluster),
                istio_version=version,
                revision=revision,
                image_pull_policy=pull_policy,
            ),
            after_istiod,
        )
        ingress = ingress_of(cluster)
        self.ingress = (
            IngressGateway(
                f"{name}-ingress",
                IngressGatewayArgs(
                    namespace=NAMESPACE,
                    ingress=ingress,
                    istio_version=version,
                    revision=revision,
                    image_pull_policy=pull_policy,
                ),
                after_istiod,
            )
            if ingress
            else None
        )
        self.register_outputs(self.summary())

    def summary(self) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of the cluster; nothing secret."""
        return {
            "istioVersion": self.control_plane.version,
            **({"istioRevisions": self.revisions} if self.revisions else {}),
            "eastWest": {"addresses": self.east_west.addresses, "port": self.east_west.port},
            "ingress": {"addresses": self.ingress.addresses} if self.ingress else None,
        }
