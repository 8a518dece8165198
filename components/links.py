"""What lets istiods read other clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.remote_access import Peer, RemoteAccess, RemoteAccessArgs
from topology import Link
from topology.defaults import NAMESPACE


@dataclass(frozen=True)
class LinksArgs:
    """Arguments of :class:`Links`.

    Attributes:
        links: who reads whom.
        providers: one provider for each cluster, by Istio's cluster name.
        namespaces: istio-system of each cluster, by Istio's cluster name.
        readable: for a cluster's name, what has to stand before others read it: its gateway. A network without a
            known gateway yields the raw addresses of its pods (istio: pilot/pkg/xds/endpoints/ep_filters.go).
    """

    links: Sequence[Link]
    providers: Mapping[str, k8s.Provider]
    namespaces: Mapping[str, pulumi.Resource]
    readable: Mapping[str, Sequence[pulumi.Resource]]


class Links(pulumi.ComponentResource):
    """For each cluster that reads others: an identity in every peer, and one remote Secret."""

    def __init__(self, name: str, args: LinksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Links", name, None, opts)
        peers: dict[str, list[Peer]] = {}
        for link in args.links:
            peer = link.peer.name
            peers.setdefault(link.reader.name, []).append(
                Peer(
                    name=peer,
                    api_server=link.server,
                    namespace=NAMESPACE,
                    provider=args.providers[peer],
                    ready=[args.namespaces[peer]],
                )
            )
        for reader, read in peers.items():
            RemoteAccess(
                f"{name}-{reader}",
                RemoteAccessArgs(reader=reader, namespace=NAMESPACE, peers=read),
                pulumi.ResourceOptions(
                    parent=self,
                    providers=[args.providers[reader]],
                    depends_on=[
                        args.namespaces[reader],
                        *(each for peer in read for each in args.readable.get(peer.name, ())),
                    ],
                ),
            )
        self.register_outputs({"readers": {reader: [p.name for p in read] for reader, read in peers.items()}})
