"""The identities by which the istiods of other clusters read one cluster."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.reader_rights import IN_THE_CLUSTER, in_istio_system, rules
from topology.defaults import READER_PREFIX
from topology.revisions import Revision

ROLE = "istio-remote-reader"


@dataclass(frozen=True)
class Reader:
    """A cluster that reads.

    Attributes:
        name: Istio's cluster name.
        istiods: every istiod of it.
        rotate: any text; another one gives it another token.
    """

    name: str
    istiods: Sequence[Revision]
    rotate: str = ""

    @property
    def account(self) -> str:
        """Name of its ServiceAccount."""
        return f"{READER_PREFIX}{self.name}"

    @property
    def token_secret(self) -> str:
        """Name of the Secret with its token."""
        name = f"{self.account}-token"
        return f"{name}-{hashlib.sha256(self.rotate.encode()).hexdigest()[:8]}" if self.rotate else name


@dataclass(frozen=True)
class RemoteReadersArgs:
    """Arguments of :class:`RemoteReaders`.

    Attributes:
        cluster: Istio's name of the cluster that is read.
        namespace: namespace of istiod there; has to exist.
        readers: the clusters that read it.
    """

    cluster: str
    namespace: str
    readers: Sequence[Reader]


class RemoteReaders(pulumi.ComponentResource):
    """A ServiceAccount and a token for each reader, so that one can be revoked alone; one role for all of them.

    A token of another name is made before the old one is deleted, and Pulumi deletes last.

    Attributes:
        tokens: for a reader's name, ``data`` of its token Secret (base64).
    """

    tokens: Mapping[str, pulumi.Output[Mapping[str, str]]]

    def __init__(self, name: str, args: RemoteReadersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:RemoteReaders", name, None, opts)
        self._role(name, args)
        self.tokens = {reader.name: self._token(f"{name}-{reader.name}", reader, args) for reader in args.readers}
        self.register_outputs({"cluster": args.cluster, "readers": [reader.name for reader in args.readers]})

    def _role(self, name: str, args: RemoteReadersArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        everywhere = k8s.meta.v1.ObjectMetaArgs(name=ROLE)
        within = k8s.meta.v1.ObjectMetaArgs(name=ROLE, namespace=args.namespace)
        subjects = [
            k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=reader.account, namespace=args.namespace)
            for reader in args.readers
        ]
        group = "rbac.authorization.k8s.io"
        istiods = [each for reader in args.readers for each in reader.istiods]
        versions = [each.version for each in istiods]
        k8s.rbac.v1.ClusterRole(f"{name}-role", metadata=everywhere, rules=rules(IN_THE_CLUSTER, versions), opts=child)
        k8s.rbac.v1.ClusterRoleBinding(
            f"{name}-role-binding",
            metadata=everywhere,
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group=group, kind="ClusterRole", name=ROLE),
            subjects=subjects,
            opts=child,
        )
        if not (in_namespace := rules(in_istio_system(each.name for each in istiods), versions)):
            return
        k8s.rbac.v1.Role(f"{name}-mesh-role", metadata=within, rules=in_namespace, opts=child)
        k8s.rbac.v1.RoleBinding(
            f"{name}-mesh-role-binding",
            metadata=within,
            role_ref=k8s.rbac.v1.RoleRefArgs(api_group=group, kind="Role", name=ROLE),
            subjects=subjects,
            opts=child,
        )

    def _token(self, name: str, reader: Reader, args: RemoteReadersArgs) -> pulumi.Output[Mapping[str, str]]:
        account = k8s.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=reader.account, namespace=args.namespace),
            # Nothing runs as this account.
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        secret = k8s.core.v1.Secret(
            f"{name}-token",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=reader.token_secret,
                namespace=args.namespace,
                annotations={"kubernetes.io/service-account.name": reader.account},
            ),
            type="kubernetes.io/service-account-token",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
        )
        return pulumi.Output.secret(secret.data)
