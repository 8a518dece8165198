"""What makes the clusters trust each other: one root, and in each cluster an intermediate CA for its istiod."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
from components.root_ca import ProvidedRootCA, RootCA
from components.roots import Roots, make_roots
from topology import model
from topology.certificates import first_end
from topology.defaults import NAMESPACE, NETWORK_LABEL
from topology.given_trust import GivenIntermediate, GivenTrust
from topology.root_rotation import new_generation, signing_source, signs_under_new

TYPE = "spanmesh:index:Trust"


@dataclass(frozen=True)
class TrustArgs:
    """Arguments of :class:`Trust`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
        given: the roots that are provided, and the intermediates under them.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]
    given: GivenTrust = field(default_factory=GivenTrust)


class Trust(pulumi.ComponentResource):
    """The roots, and in each cluster the namespace istio-system with its network's label and the Secret ``cacerts``.

    Attributes:
        roots: the root CA, and while it is being replaced its successor.
        namespaces: istio-system, by Istio's cluster name.
        intermediates: by Istio's cluster name; a cluster whose request is not signed yet is not in it.
        requests: certificate requests, PEM, of the clusters that ask for one, by Istio's cluster name.
    """

    roots: Roots
    namespaces: dict[str, k8s.core.v1.Namespace]
    intermediates: dict[str, ClusterCA]
    requests: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: TrustArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, name, None, opts)
        self.namespaces, self.intermediates, self.requests = {}, {}, {}
        for cluster in args.mesh.clusters:
            self.namespaces[cluster.name] = k8s.core.v1.Namespace(
                f"{name}-{cluster.name}-namespace",
                metadata=k8s.meta.v1.ObjectMetaArgs(name=NAMESPACE, labels={NETWORK_LABEL: cluster.network}),
                opts=pulumi.ResourceOptions(parent=self, provider=args.providers[cluster.name]),
            )
        trust = args.mesh.trust
        self.roots = make_roots(name, trust, args.given, self)
        signing = args.given.new if signs_under_new(trust) else args.given.present
        for cluster in args.mesh.clusters:
            own = f"{name}-{cluster.name}-intermediate"
            if isinstance(self.roots.signing, RootCA):
                self._generate(own, cluster, self.roots.signing, args)
            else:
                given = signing.intermediates.get(cluster.name) if signing else None
                self._install(own, cluster, self.roots.signing, given, args)
        self.register_outputs(
            {
                "root": self.summary(),
                "signs": self.roots.signs,
                "trusted": self.roots.trusted,
                "clusters": {name: self.cluster_summary(name) for name in self.namespaces},
            }
        )

    def _generate(self, own: str, cluster: model.Cluster, root: RootCA, args: TrustArgs) -> None:
        trust = args.mesh.trust
        made = IntermediateCA(
            own,
            IntermediateCAArgs(
                cluster=cluster.name,
                root=root,
                namespace=NAMESPACE,
                algorithm=trust.algorithm,
                rsa_bits=trust.rsa_bits,
                validity_days=trust.intermediate_validity_days,
                rotate=_key_of(cluster, trust),
                trusted=self.roots.bundle,
            ),
            self._in(cluster, args),
        )
        self.intermediates[cluster.name] = made
        if cluster.trust.request:
            self.requests[cluster.name] = made.request_pem

    def _install(
        self, own: str, cluster: model.Cluster, root: ProvidedRootCA, given: GivenIntermediate | None, args: TrustArgs
    ) -> None:
        opts = self._in(cluster, args)
        if given is None:
            waiting = IntermediateRequest(own, _request_args(args.mesh, cluster), opts)
            self.requests[cluster.name] = waiting.request_pem
        elif given.private_key is None:
            requested = RequestedIntermediateCA(
                own,
                RequestedIntermediateCAArgs(
                    root=root,
                    namespace=NAMESPACE,
                    certificate=given.certificate,
                    trusted=self.roots.bundle,
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
                    cluster.name, root, NAMESPACE, given.certificate, given.private_key, self.roots.bundle
                ),
                opts,
            )

    def _in(self, cluster: model.Cluster, args: TrustArgs) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, providers=[args.providers[cluster.name]], depends_on=[self.namespaces[cluster.name]]
        )

    def summary(self) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of the present root; nothing secret."""
        present = self.roots.present
        return {"sha256": present.fingerprint, "trusted": self.roots.present_trusted, "expires": present.expires}

    def rotation_summary(self) -> dict[str, pulumi.Input[object]] | None:
        """What a stack output says of the root's replacement; None: none is under way."""
        new = self.roots.new
        if new is None:
            return None
        return {
            "stage": self.roots.stage.value,
            "present": self.roots.present.fingerprint,
            "new": new.fingerprint,
            "newExpires": new.expires,
        }

    def expiries(self, authorities: Mapping[str, str]) -> pulumi.Output[list[dict[str, str]]]:
        """Every certificate that ends: what it is, its cluster (empty: the mesh's), its end; the first to end first.

        The tokens by which istiods read other clusters do not end by themselves.

        Args:
            authorities: PEM of the CAs of API servers that the user gives, by Istio's cluster name.
        """
        ends: list[tuple[str, str, pulumi.Output[str]]] = [("root", "", self.roots.present.expires)]
        if self.roots.new:
            ends.append(("new root", "", self.roots.new.expires))
        ends += [("intermediate", cluster, own.expires) for cluster, own in self.intermediates.items()]
        ends += [
            ("CA of the API server", cluster, pulumi.Output.from_input(first_end(pem)))
            for cluster, pem in authorities.items()
        ]

        def listed(times: list[str]) -> list[dict[str, str]]:
            named = [(time, what, cluster) for (what, cluster, _), time in zip(ends, times, strict=True)]
            return [{"what": what, "cluster": cluster, "expires": time} for time, what, cluster in sorted(named)]

        return pulumi.Output.all(*(time for _, _, time in ends)).apply(listed)

    def cluster_summary(self, cluster: str) -> dict[str, pulumi.Input[object]]:
        """What a stack output says of one cluster's intermediate; nothing secret."""
        own = self.intermediates.get(cluster)
        summary: dict[str, pulumi.Input[object]] = {
            "intermediate": {"sha256": own.fingerprint, "expires": own.expires} if own else None
        }
        if cluster in self.requests:
            summary["certificateRequest"] = self.requests[cluster]
        return summary


def _key_of(cluster: model.Cluster, trust: model.Trust) -> str:
    """The text by which a cluster's key is another one: who could read a root's key could read those under it too."""
    makes_new = signs_under_new(trust) and signing_source(trust) == "generated"
    generation = new_generation(trust) if makes_new else trust.generation
    return cluster.trust.rotate if generation == 1 else f"{cluster.trust.rotate}@{generation}"


def _request_args(mesh: model.Mesh, cluster: model.Cluster) -> IntermediateRequestArgs:
    return IntermediateRequestArgs(
        cluster=cluster.name,
        algorithm=mesh.trust.algorithm,
        rsa_bits=mesh.trust.rsa_bits,
        rotate=_key_of(cluster, mesh.trust),
    )
