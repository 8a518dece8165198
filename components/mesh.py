"""The whole mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.cluster import Cluster, ClusterArgs
from components.remote_access import Peer, RemoteAccess, RemoteAccessArgs
from components.root_ca import RootCA, RootCAArgs
from topology import links, model
from topology.defaults import NAMESPACE


@dataclass(frozen=True)
class MeshArgs:
    """Arguments of :class:`Mesh`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
        on_error: for a cluster's name, the hooks that are asked when a Helm release fails there.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]
    on_error: Mapping[str, Sequence[pulumi.ErrorHook]] = field(default_factory=dict)


class Mesh(pulumi.ComponentResource):
    """One root, a :class:`Cluster` for each cluster, and remote access for each cluster that reads others.

    Attributes:
        root: the root CA.
        clusters: by Istio's cluster name.
    """

    root: RootCA
    clusters: dict[str, Cluster]

    def __init__(self, name: str, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Mesh", name, None, opts)
        trust = args.mesh.trust
        self.root = RootCA(
            f"{name}-root",
            RootCAArgs(
                algorithm=trust.algorithm,
                validity_days=trust.root_validity_days,
                protect=trust.protect,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.clusters = {
            declared.name: Cluster(
                f"{name}-{declared.name}",
                ClusterArgs(
                    mesh=args.mesh,
                    cluster=declared,
                    root=self.root,
                    on_error=args.on_error.get(declared.name, ()),
                ),
                pulumi.ResourceOptions(parent=self, providers=[args.providers[declared.name]]),
            )
            for declared in args.mesh.clusters
        }
        for reader in args.mesh.clusters:
            peers = [link.peer for link in links(args.mesh) if link.reader.name == reader.name]
            if peers:
                self._remote_access(name, reader, peers, args)
        self.register_outputs(self.summary(args.mesh))

    def _remote_access(self, name: str, reader: model.Cluster, peers: Sequence[model.Cluster], args: MeshArgs) -> None:
        RemoteAccess(
            f"{name}-{reader.name}-remote",
            RemoteAccessArgs(
                reader=reader.name,
                namespace=NAMESPACE,
                peers=[
                    Peer(
                        name=peer.name,
                        api_server=peer.api_server.url,
                        namespace=NAMESPACE,
                        provider=args.providers[peer.name],
                        ready=[self.clusters[peer.name].namespace],
                    )
                    for peer in peers
                ],
            ),
            pulumi.ResourceOptions(
                parent=self,
                providers=[args.providers[reader.name]],
                depends_on=[self.clusters[reader.name].namespace],
            ),
        )

    def summary(self, mesh: model.Mesh) -> dict[str, pulumi.Input[object]]:
        """What the stack exports; nothing secret."""
        return {
            "meshId": mesh.id,
            "trustDomain": mesh.trust_domain,
            "root": {"sha256": self.root.fingerprint, "expires": self.root.expires},
            "clusters": {
                declared.name: {
                    "region": declared.region,
                    **self.clusters[declared.name].summary(),
                }
                for declared in mesh.clusters
            },
        }
