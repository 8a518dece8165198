"""What makes the clusters trust each other: one root, and in each cluster an intermediate CA for its istiod."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.intermediate_ca import IntermediateCA, IntermediateCAArgs
from components.root_ca import RootCA, RootCAArgs
from topology import model
from topology.defaults import NAMESPACE


@dataclass(frozen=True)
class TrustArgs:
    """Arguments of :class:`Trust`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]


class Trust(pulumi.ComponentResource):
    """The root, and in each cluster the namespace istio-system with its network's label and the Secret ``cacerts``.

    Attributes:
        root: the root CA.
        namespaces: istio-system, by Istio's cluster name.
        intermediates: by Istio's cluster name.
    """

    root: RootCA
    namespaces: dict[str, k8s.core.v1.Namespace]
    intermediates: dict[str, IntermediateCA]

    def __init__(self, name: str, args: TrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Trust", name, None, opts)
        trust = args.mesh.trust
        self.root = RootCA(
            f"{name}-root",
            RootCAArgs(algorithm=trust.algorithm, validity_days=trust.root_validity_days, protect=trust.protect),
            pulumi.ResourceOptions(parent=self),
        )
        self.namespaces, self.intermediates = {}, {}
        for cluster in args.mesh.clusters:
            provider = args.providers[cluster.name]
            namespace = k8s.core.v1.Namespace(
                f"{name}-{cluster.name}-namespace",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=NAMESPACE, labels={"topology.istio.io/network": cluster.network}
                ),
                opts=pulumi.ResourceOptions(parent=self, provider=provider),
            )
            self.namespaces[cluster.name] = namespace
            self.intermediates[cluster.name] = IntermediateCA(
                f"{name}-{cluster.name}-intermediate",
                IntermediateCAArgs(
                    cluster=cluster.name,
                    root=self.root,
                    namespace=NAMESPACE,
                    algorithm=trust.algorithm,
                    validity_days=trust.intermediate_validity_days,
                ),
                pulumi.ResourceOptions(parent=self, providers=[provider], depends_on=[namespace]),
            )
        self.register_outputs(
            {"root": self.summary(), "clusters": {name: self.cluster_summary(name) for name in self.intermediates}}
        )

    def summary(self) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of the root; nothing secret."""
        return {"sha256": self.root.fingerprint, "expires": self.root.expires}

    def cluster_summary(self, cluster: str) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of one cluster's intermediate; nothing secret."""
        return {"intermediateExpires": self.intermediates[cluster].expires}
