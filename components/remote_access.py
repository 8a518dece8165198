"""How the istiod of one cluster reads the API servers of its peers."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import yaml

READER_RULES = [
    # What istiod lists and watches in a cluster that it reads: Istio's own reader ClusterRole, less what is not used.
    ([""], ["services", "endpoints", "pods", "nodes", "namespaces", "secrets"]),
    (["discovery.k8s.io"], ["endpointslices"]),
    (["networking.istio.io"], ["workloadentries", "gateways"]),
    (["gateway.networking.k8s.io"], ["gateways", "gatewayclasses", "httproutes"]),
    (["apiextensions.k8s.io"], ["customresourcedefinitions"]),
    (["multicluster.x-k8s.io"], ["serviceexports", "serviceimports"]),
]


@dataclass(frozen=True)
class Peer:
    """A cluster that is read.

    Attributes:
        name: Istio's cluster name.
        api_server: https URL, as the reader reaches it.
        namespace: namespace of istiod there; has to exist.
        provider: the cluster's provider.
        ready: what has to stand before an identity can be made there.
    """

    name: str
    api_server: str
    namespace: str
    provider: k8s.Provider
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True)
class RemoteAccessArgs:
    """Arguments of :class:`RemoteAccess`.

    Attributes:
        reader: Istio's name of the cluster whose istiod reads.
        namespace: namespace of istiod in the reading cluster.
        peers: the clusters that it reads.
    """

    reader: str
    namespace: str
    peers: Sequence[Peer]


def remote_kubeconfig(name: str, api_server: str, token_secret: Mapping[str, str]) -> str:
    """The kubeconfig by which istiod reads one cluster.

    Args:
        name: Istio's name of the cluster that is read.
        api_server: its https URL, as the reader reaches it.
        token_secret: ``data`` of a service-account token Secret (base64).

    Raises:
        ValueError: the cluster's token controller has not filled the Secret.
    """
    if "token" not in token_secret or "ca.crt" not in token_secret:
        raise ValueError(
            f"cluster {name}: the token Secret of the reader is empty. Is the token controller of its "
            "kube-controller-manager running? Run `pulumi up` again when it is"
        )
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": api_server,
                    "certificate-authority-data": token_secret["ca.crt"],
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [
            {
                "name": name,
                "user": {"token": base64.b64decode(token_secret["token"]).decode()},
            }
        ],
    }
    return yaml.safe_dump(document)


class RemoteAccess(pulumi.ComponentResource):
    """A reader identity in every peer, and one remote Secret in the reading cluster with a key for each peer.

    One Secret per reader is enough: istiod takes every key of a Secret labelled ``istio/multiCluster`` as a cluster.
    Each reader has identities of its own, so that one can be revoked alone.
    """

    def __init__(self, name: str, args: RemoteAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:RemoteAccess", name, None, opts)
        kubeconfigs = {peer.name: self._kubeconfig(name, args.reader, peer) for peer in args.peers}
        k8s.core.v1.Secret(
            f"{name}-secret",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name="istio-remote-clusters",
                namespace=args.namespace,
                labels={"istio/multiCluster": "true"},
            ),
            string_data=kubeconfigs,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"reader": args.reader, "peers": [p.name for p in args.peers]})

    def _kubeconfig(self, name: str, reader: str, peer: Peer) -> pulumi.Output[str]:
        token: pulumi.Output[Mapping[str, str]] = pulumi.Output.secret(self._identity(name, reader, peer))
        return token.apply(lambda data: remote_kubeconfig(peer.name, peer.api_server, data))

    def _identity(self, name: str, reader: str, peer: Peer) -> pulumi.Output[Mapping[str, str]]:
        identity = f"istio-reader-{reader}"
        child = pulumi.ResourceOptions(parent=self, provider=peer.provider, depends_on=list(peer.ready))
        namespaced = k8s.meta.v1.ObjectMetaArgs(name=identity, namespace=peer.namespace)
        account = k8s.core.v1.ServiceAccount(f"{name}-{peer.name}-account", metadata=namespaced, opts=child)
        subjects = [k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=identity, namespace=peer.namespace)]
        k8s.rbac.v1.ClusterRole(
            f"{name}-{peer.name}-role",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=identity),
            rules=[
                *(
                    k8s.rbac.v1.PolicyRuleArgs(api_groups=groups, resources=resources, verbs=["get", "list", "watch"])
                    for groups, resources in READER_RULES
                ),
                # Proxies of the peer may ask this istiod for certificates: it checks their tokens there.
                k8s.rbac.v1.PolicyRuleArgs(
                    api_groups=["authentication.k8s.io"],
                    resources=["tokenreviews"],
                    verbs=["create"],
                ),
            ],
            opts=child,
        )
        k8s.rbac.v1.ClusterRoleBinding(
            f"{name}-{peer.name}-role-binding",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=identity),
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=identity),
            subjects=subjects,
            opts=child,
        )
        k8s.rbac.v1.Role(
            f"{name}-{peer.name}-mesh-role",
            metadata=namespaced,
            rules=[
                # The peer's mesh configuration.
                k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["configmaps"], verbs=["get", "list", "watch"])
            ],
            opts=child,
        )
        k8s.rbac.v1.RoleBinding(
            f"{name}-{peer.name}-mesh-role-binding",
            metadata=namespaced,
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=identity),
            subjects=subjects,
            opts=child,
        )
        token = k8s.core.v1.Secret(
            f"{name}-{peer.name}-token",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=f"{identity}-token",
                namespace=peer.namespace,
                annotations={"kubernetes.io/service-account.name": identity},
            ),
            type="kubernetes.io/service-account-token",
            opts=pulumi.ResourceOptions(parent=self, provider=peer.provider, depends_on=[account]),
        )
        return token.data
