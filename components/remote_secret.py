"""What the istiod of one cluster reads other clusters by."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from topology.defaults import REMOTE_SECRET

InUse = Callable[[str, Mapping[str, str]], Awaitable[None]]


@dataclass(frozen=True)
class Peer:
    """A cluster that is read.

    Attributes:
        name: Istio's cluster name.
        server: https URL of its API server, as the reader reaches it.
        tls_server_name: name that its certificate is checked against; None: the URL's host.
        ca_certificate: PEM of the CAs that its certificate may chain to at that URL, **instead of** the cluster's own
            CA; None: the cluster's own, which stands in the token Secret.
        token_secret: name of the reader's token Secret there.
        token: ``data`` of that Secret (base64).
    """

    name: str
    server: str
    tls_server_name: str | None
    ca_certificate: str | None
    token_secret: str
    token: pulumi.Output[Mapping[str, str]]


@dataclass(frozen=True)
class RemoteSecretArgs:
    """Arguments of :class:`RemoteSecret`.

    Attributes:
        reader: Istio's name of the cluster whose istiod reads.
        namespace: its namespace there; has to exist.
        peers: the clusters that it reads.
        in_use: returns once the reader's istiods read by this Secret and no other, and raises where they do not: then
            the program ends before Pulumi deletes tokens or clusters that an istiod still uses. Given the reader's
            name and, by the name of each peer, that of its token Secret. None: nothing waits.
    """

    reader: str
    namespace: str
    peers: Sequence[Peer]
    in_use: InUse | None = None


def remote_kubeconfig(peer: Peer, token_secret: Mapping[str, str]) -> str:
    """The kubeconfig by which istiod reads one cluster.

    Args:
        peer: the cluster that is read.
        token_secret: ``data`` of its token Secret (base64).

    Raises:
        ValueError: the cluster's token controller has not filled the Secret.
    """
    if "token" not in token_secret or "ca.crt" not in token_secret:
        raise ValueError(
            f"cluster {peer.name}: the token Secret {peer.token_secret} of the reader is empty. Is the token "
            "controller of its kube-controller-manager running? Run `pulumi up` again when it is"
        )
    own_ca = token_secret["ca.crt"]
    ca = base64.b64encode(peer.ca_certificate.encode()).decode() if peer.ca_certificate else own_ca
    cluster: dict[str, Any] = {"server": peer.server, "certificate-authority-data": ca}
    if peer.tls_server_name:
        cluster["tls-server-name"] = peer.tls_server_name
    name = peer.name
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"token": base64.b64decode(token_secret["token"]).decode()}}],
    }
    return yaml.safe_dump(document)


class RemoteSecret(pulumi.ComponentResource):
    """The one remote Secret of a reading cluster, with a key for each peer.

    One is enough: istiod takes every key of a Secret labelled ``istio/multiCluster`` as a cluster.

    Attributes:
        in_use: true once the reader's istiods read by it; None in a preview, or where nothing waits.
    """

    in_use: pulumi.Output[bool] | None = None

    def __init__(self, name: str, args: RemoteSecretArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:RemoteSecret", name, None, opts)
        secret = k8s.core.v1.Secret(
            f"{name}-secret",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=REMOTE_SECRET,
                namespace=args.namespace,
                labels={"istio/multiCluster": "true"},
            ),
            string_data={peer.name: _kubeconfig(peer) for peer in args.peers},
            opts=pulumi.ResourceOptions(parent=self),
        )
        in_use = args.in_use
        if in_use is not None and not pulumi.runtime.is_dry_run():
            # Not a resource hook: the update after one that the hook has failed would not ask it again. The program
            # does not end before this, and fails with it.
            async def wait(_: str) -> bool:
                await in_use(args.reader, {peer.name: peer.token_secret for peer in args.peers})
                return True

            self.in_use = secret.id.apply(wait)
        self.register_outputs({"reader": args.reader, "peers": [peer.name for peer in args.peers]})


def _kubeconfig(peer: Peer) -> pulumi.Output[str]:
    return peer.token.apply(lambda data: remote_kubeconfig(peer, data))
