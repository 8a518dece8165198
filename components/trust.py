"""What makes the clusters trust each other: one root, and in each cluster an intermediate CA for its istiod."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.intermediate_ca import (
    ClusterCA,
    IntermediateCA,
    IntermediateCAArgs,
    IntermediateRequest,
    IntermediateRequestArgs,
    ProvidedIntermediateCA,
    ProvidedIntermediateCAArgs,
    RequestedIntermediateCA,
    RequestedIntermediateCAArgs,
)
from components.root_ca import ProvidedRootCA, ProvidedRootCAArgs, RootCA, RootCAArgs
from topology import model
from topology.certificates import GivenTrust
from topology.defaults import NAMESPACE


@dataclass(frozen=True)
class TrustArgs:
    """Arguments of :class:`Trust`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
        given: root and intermediates of a mesh whose root is provided; None: Pulumi makes them.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]
    given: GivenTrust | None = None


class Trust(pulumi.ComponentResource):
    """The root, and in each cluster the namespace istio-system with its network's label and the Secret ``cacerts``.

    Attributes:
        root: the root CA.
        namespaces: istio-system, by Istio's cluster name.
        intermediates: by Istio's cluster name; a cluster whose request is not signed yet is not in it.
        requests: certificate requests, PEM, of the clusters that ask for one, by Istio's cluster name.
    """

    root: RootCA | ProvidedRootCA
    namespaces: dict[str, k8s.core.v1.Namespace]
    intermediates: dict[str, ClusterCA]
    requests: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: TrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Trust", name, None, opts)
        self.namespaces, self.intermediates, self.requests = {}, {}, {}
        for cluster in args.mesh.clusters:
            self.namespaces[cluster.name] = k8s.core.v1.Namespace(
                f"{name}-{cluster.name}-namespace",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=NAMESPACE, labels={"topology.istio.io/network": cluster.network}
                ),
                opts=pulumi.ResourceOptions(parent=self, provider=args.providers[cluster.name]),
            )
        if args.given is None:
            self.root = self._generate(name, args)
        else:
            self.root = self._install(name, args, args.given)
        self.register_outputs(
            {"root": self.summary(), "clusters": {name: self.cluster_summary(name) for name in self.namespaces}}
        )

    def _generate(self, name: str, args: TrustArgs) -> RootCA:
        trust = args.mesh.trust
        root = RootCA(
            f"{name}-root",
            RootCAArgs(trust.algorithm, trust.rsa_bits, trust.root_validity_days, trust.protect),
            pulumi.ResourceOptions(parent=self),
        )
        for cluster in args.mesh.clusters:
            made = IntermediateCA(
                f"{name}-{cluster.name}-intermediate",
                IntermediateCAArgs(
                    cluster=cluster.name,
                    root=root,
                    namespace=NAMESPACE,
                    algorithm=trust.algorithm,
                    rsa_bits=trust.rsa_bits,
                    validity_days=trust.intermediate_validity_days,
                    rotate=cluster.trust.rotate,
                ),
                self._in(cluster, args),
            )
            self.intermediates[cluster.name] = made
            if cluster.trust.request:
                self.requests[cluster.name] = made.request_pem
        return root

    def _install(self, name: str, args: TrustArgs, given: GivenTrust) -> ProvidedRootCA:
        root = ProvidedRootCA(f"{name}-root", ProvidedRootCAArgs(given.root), pulumi.ResourceOptions(parent=self))
        for cluster in args.mesh.clusters:
            own, opts = f"{name}-{cluster.name}-intermediate", self._in(cluster, args)
            intermediate = given.intermediates.get(cluster.name)
            if intermediate is None:
                waiting = IntermediateRequest(own, _request_args(args.mesh, cluster), opts)
                self.requests[cluster.name] = waiting.request_pem
            elif intermediate.private_key is None:
                requested = RequestedIntermediateCA(
                    own,
                    RequestedIntermediateCAArgs(
                        root=root,
                        namespace=NAMESPACE,
                        certificate=intermediate.certificate,
                        **vars(_request_args(args.mesh, cluster)),
                    ),
                    opts,
                )
                self.requests[cluster.name] = requested.request_pem
                self.intermediates[cluster.name] = requested
            else:
                self.intermediates[cluster.name] = ProvidedIntermediateCA(
                    own,
                    ProvidedIntermediateCAArgs(
                        cluster.name, root, NAMESPACE, intermediate.certificate, intermediate.private_key
                    ),
                    opts,
                )
        return root

    def _in(self, cluster: model.Cluster, args: TrustArgs) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, providers=[args.providers[cluster.name]], depends_on=[self.namespaces[cluster.name]]
        )

    def summary(self) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of the root; nothing secret."""
        return {"sha256": self.root.fingerprint, "expires": self.root.expires}

    def cluster_summary(self, cluster: str) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of one cluster's intermediate; nothing secret."""
        own = self.intermediates.get(cluster)
        summary: dict[str, pulumi.Input[object]] = {
            "intermediate": {"sha256": own.fingerprint, "expires": own.expires} if own else None
        }
        if cluster in self.requests:
            summary["certificateRequest"] = self.requests[cluster]
        return summary


def _request_args(mesh: model.Mesh, cluster: model.Cluster) -> IntermediateRequestArgs:
    return IntermediateRequestArgs(
        cluster=cluster.name,
        algorithm=mesh.trust.algorithm,
        rsa_bits=mesh.trust.rsa_bits,
        rotate=cluster.trust.rotate,
    )
