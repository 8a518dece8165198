"""Istio policy in the clusters that it goes to, in an order in which no request meets half of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from policy.checks.routes import routes
from policy.document import Document
from policy.hosts import full_name
from policy.provenance import applied, resource_name
from policy.world import Placed

# Objects that send requests to what others define.
ROUTES = {"VirtualService", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"}


@dataclass(frozen=True)
class MirroredPolicyArgs:
    """Arguments of :class:`MirroredPolicy`.

    Attributes:
        stack: the stack's name, for the labels.
        placed: every object, and the clusters that it goes to.
        providers: one provider for each cluster, by Istio's cluster name.
        ready: by Istio's cluster name, what has to stand first: istiod, whose webhook judges every object.
    """

    stack: str
    placed: Sequence[Placed]
    providers: Mapping[str, k8s.Provider]
    ready: Mapping[str, Sequence[pulumi.Resource]] = field(default_factory=dict)


class MirroredPolicy(pulumi.ComponentResource):
    """Every object in every cluster that it goes to, labelled with the stack, the file and a hash of its spec.

    A route comes after the DestinationRules of its hosts in all clusters, and goes before them: a gateway of another
    network passes a request on only if its own istiod knows the subset that the client's proxy chose
    (https://istio.io/latest/docs/ops/best-practices/traffic-management/#avoid-503-errors-while-reconfiguring-service-routes).
    """

    def __init__(self, name: str, args: MirroredPolicyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:MirroredPolicy", name, None, opts)
        self._name, self._args = name, args
        rules: dict[str, list[pulumi.Resource]] = {}
        for placed in args.placed:
            document = placed.document
            if document.kind in ROUTES:
                continue
            made = self._mirrored(placed, [])
            if document.kind == "DestinationRule":
                host = full_name(str(document.spec.get("host")), document.namespace)
                rules.setdefault(host, []).extend(made)
        for placed in args.placed:
            if placed.document.kind in ROUTES:
                hosts = sorted({to.host for route in routes(placed) for to in (*route.destinations, *route.mirrors)})
                self._mirrored(placed, [rule for host in hosts for rule in rules.get(host, [])])
        self.register_outputs({"objects": sum(len(placed.clusters) for placed in args.placed)})

    def _mirrored(self, placed: Placed, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            self._object(placed.document, cluster, after)
            for cluster in placed.clusters
            if cluster in self._args.providers
        ]

    def _object(self, document: Document, cluster: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        body = applied(document, self._args.stack)
        name = resource_name(self._name, cluster, document)
        opts = pulumi.ResourceOptions(
            parent=self,
            provider=self._args.providers[cluster],
            depends_on=[*self._args.ready.get(cluster, ()), *after],
        )
        if document.kind == "Service" and not document.group:
            return k8s.core.v1.Service(name, metadata=body["metadata"], spec=body["spec"], opts=opts)
        others = {key: value for key, value in body.items() if key not in {"apiVersion", "kind", "metadata"}}
        return k8s.apiextensions.CustomResource(
            name,
            api_version=document.api_version,
            kind=document.kind,
            metadata=body["metadata"],
            opts=opts,
            **others,
        )
