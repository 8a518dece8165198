"""What lets istiods read other clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.remote_readers import Reader, RemoteReaders, RemoteReadersArgs
from components.remote_secret import InUse, Peer, RemoteSecret, RemoteSecretArgs
from topology import Link, model
from topology.defaults import NAMESPACE, istio_of
from topology.revisions import declared_revisions


@dataclass(frozen=True)
class Access:
    """What the links of a mesh need besides the declared mesh.

    Attributes:
        ca_certificates: for a cluster's name, PEM of the CAs of its API server where they are not the cluster's own.
        in_use: as of :class:`RemoteSecretArgs`.
    """

    ca_certificates: Mapping[str, str] = field(default_factory=dict)
    in_use: InUse | None = None


@dataclass(frozen=True)
class LinksArgs:
    """Arguments of :class:`Links`.

    Attributes:
        mesh: what the user declared.
        links: who reads whom.
        providers: one provider for each cluster, by Istio's cluster name.
        namespaces: istio-system of each cluster, by Istio's cluster name.
        readable: for a cluster's name, what has to stand before others read it: its gateway. A network without a
            known gateway yields the raw addresses of its pods (istio: pilot/pkg/xds/endpoints/ep_filters.go).
        access: certificates of API servers, and what waits for the readers.
    """

    mesh: model.Mesh
    links: Sequence[Link]
    providers: Mapping[str, k8s.Provider]
    namespaces: Mapping[str, pulumi.Resource]
    readable: Mapping[str, Sequence[pulumi.Resource]]
    access: Access = field(default_factory=Access)


class Links(pulumi.ComponentResource):
    """In each cluster that is read, an identity for each of its readers; in each that reads, one remote Secret."""

    def __init__(self, name: str, args: LinksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Links", name, None, opts)
        read = list(dict.fromkeys(link.peer.name for link in args.links))
        identities = {peer: self._readers(f"{name}-{peer}-readers", peer, args) for peer in read}
        reading = list(dict.fromkeys(link.reader.name for link in args.links))
        for reader in reading:
            self._remote_secret(f"{name}-{reader}-remote", reader, identities, args)
        self.register_outputs({"readers": reading, "read": read})

    def _readers(self, name: str, peer: str, args: LinksArgs) -> RemoteReaders:
        return RemoteReaders(
            name,
            RemoteReadersArgs(
                cluster=peer,
                namespace=NAMESPACE,
                readers=[_reader(link, args.mesh) for link in args.links if link.peer.name == peer],
            ),
            pulumi.ResourceOptions(parent=self, providers=[args.providers[peer]], depends_on=[args.namespaces[peer]]),
        )

    def _remote_secret(
        self, name: str, reader: str, identities: Mapping[str, RemoteReaders], args: LinksArgs
    ) -> RemoteSecret:
        own = [link for link in args.links if link.reader.name == reader]
        return RemoteSecret(
            name,
            RemoteSecretArgs(
                reader=reader,
                namespace=NAMESPACE,
                peers=[
                    Peer(
                        name=link.peer.name,
                        server=link.server,
                        tls_server_name=link.peer.api_server.tls_server_name,
                        ca_certificate=args.access.ca_certificates.get(link.peer.name),
                        token_secret=_reader(link, args.mesh).token_secret,
                        token=identities[link.peer.name].tokens[reader],
                    )
                    for link in own
                ],
                in_use=args.access.in_use,
            ),
            pulumi.ResourceOptions(
                parent=self,
                providers=[args.providers[reader]],
                depends_on=[
                    args.namespaces[reader],
                    # A token is of no use without its role.
                    *(identities[link.peer.name] for link in own),
                    *(each for link in own for each in args.readable.get(link.peer.name, ())),
                ],
            ),
        )


def _reader(link: Link, mesh: model.Mesh) -> Reader:
    whole, own = mesh.access.rotate, link.reader.access.rotate
    return Reader(
        link.reader.name,
        declared_revisions(istio_of(mesh, link.reader)),
        rotate=f"{whole}\n{own}" if whole or own else "",
    )
