"""The whole mesh in one stack, or divided: trust and links in one, and a stack for each group of clusters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.cluster import Cluster, ClusterArgs, Upgrades
from components.links import Access, Links, LinksArgs
from components.mirrored_policy import MirroredPolicy, MirroredPolicyArgs
from components.trust import Trust, TrustArgs
from policy.world import Placed
from topology import links, model
from topology.given_trust import GivenTrust


@dataclass(frozen=True)
class MeshArgs:
    """Arguments of :class:`Mesh`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
        on_error: for a cluster's name, the hooks that are asked when a Helm release fails there.
        access: certificates of API servers, and what waits for those that read them.
        given: the roots that are provided, and the intermediates under them.
        policy: Istio policy, and the clusters that each object goes to.
        upgrades: what clusters whose Istio changes wait for.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]
    on_error: Mapping[str, Sequence[pulumi.ErrorHook]] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    given: GivenTrust = field(default_factory=GivenTrust)
    policy: Sequence[Placed] = ()
    upgrades: Upgrades = field(default_factory=Upgrades)


class Mesh(pulumi.ComponentResource):
    """Trust, a :class:`Cluster` for each cluster, and the links between them.

    Attributes:
        trust: root and intermediates.
        clusters: by Istio's cluster name; one that waits for its certificate is not in it.
    """

    trust: Trust
    clusters: dict[str, Cluster]

    def __init__(self, name: str, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Mesh", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._authorities = args.access.ca_certificates
        self.trust = Trust(f"{name}-trust", TrustArgs(args.mesh, args.providers, args.given), child)
        self.clusters = {}
        for declared in args.mesh.clusters:
            if declared.name in self.trust.intermediates:
                # istiod without cacerts would make a root of its own.
                ready = [self.trust.intermediates[declared.name]]
                self.clusters[declared.name] = _cluster(name, declared, args, self, self.clusters, ready)
        Links(
            f"{name}-links",
            LinksArgs(
                mesh=args.mesh,
                links=[k for k in links(args.mesh) if {k.reader.name, k.peer.name} <= self.clusters.keys()],
                providers=args.providers,
                namespaces=self.trust.namespaces,
                readable={name: [cluster.east_west] for name, cluster in self.clusters.items()},
                access=args.access,
            ),
            child,
        )
        # Objects of a cluster that waits for its certificate wait with it.
        _mirrored_policy(
            name,
            args,
            {c: args.providers[c] for c in self.clusters},
            {n: [c.control_plane] for n, c in self.clusters.items()},
            child,
        )
        self.register_outputs(self.summary(args.mesh))

    def summary(self, mesh: model.Mesh) -> dict[str, pulumi.Input[object]]:
        """What the stack exports; nothing secret."""
        return {
            **_mesh_summary(mesh),
            **_trust_summary(self.trust, self._authorities),
            "clusters": {
                c.name: {
                    **_cluster_summary(c),
                    **self.trust.cluster_summary(c.name),
                    **(self.clusters[c.name].summary() if c.name in self.clusters else {}),
                }
                for c in mesh.clusters
            },
        }


@dataclass(frozen=True)
class TrustAndLinksArgs:
    """Arguments of :class:`TrustAndLinks`.

    Attributes:
        mesh: what the user declared.
        providers: one provider for each cluster, by Istio's cluster name.
        up: names of the clusters that the stacks of their groups have brought up: only they are linked.
        access: certificates of API servers, and what waits for those that read them.
        given: the roots that are provided, and the intermediates under them.
        policy: Istio policy, and the clusters that each object goes to.
    """

    mesh: model.Mesh
    providers: Mapping[str, k8s.Provider]
    up: Collection[str]
    access: Access = field(default_factory=Access)
    given: GivenTrust = field(default_factory=GivenTrust)
    policy: Sequence[Placed] = ()


class TrustAndLinks(pulumi.ComponentResource):
    """Of a divided mesh, what belongs to no group: trust of all clusters, links and policy of those that are up.

    Attributes:
        trust: root and intermediates.
        clusters: none: they are in the stacks of their groups.
    """

    trust: Trust
    clusters: dict[str, Cluster]

    def __init__(self, name: str, args: TrustAndLinksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:TrustAndLinks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._authorities = args.access.ca_certificates
        self.trust = Trust(f"{name}-trust", TrustArgs(args.mesh, args.providers, args.given), child)
        self.clusters = {}
        self._linked = [k for k in links(args.mesh) if k.reader.name in args.up and k.peer.name in args.up]
        Links(
            f"{name}-links",
            LinksArgs(
                mesh=args.mesh,
                links=self._linked,
                providers=args.providers,
                namespaces=self.trust.namespaces,
                readable={},
                access=args.access,
            ),
            child,
        )
        # istiod's types and its webhook are there only once the group's stack is up.
        _mirrored_policy(name, args, {c: args.providers[c] for c in args.providers if c in args.up}, {}, child)
        self.register_outputs(self.summary(args.mesh))

    def summary(self, mesh: model.Mesh) -> dict[str, pulumi.Input[object]]:
        """What the stack exports; nothing secret."""
        return {
            **_mesh_summary(mesh),
            **_trust_summary(self.trust, self._authorities),
            "clusters": {
                c.name: {
                    **_cluster_summary(c),
                    **self.trust.cluster_summary(c.name),
                    "reads": [k.peer.name for k in self._linked if k.reader.name == c.name],
                }
                for c in mesh.clusters
            },
        }


@dataclass(frozen=True)
class GroupArgs:
    """Arguments of :class:`Group`.

    Attributes:
        mesh: what the user declared, of all groups.
        group: name of the group.
        providers: one provider for each cluster of the group, by Istio's cluster name.
        on_error: for a cluster's name, the hooks that are asked when a Helm release fails there.
        upgrades: what clusters of the group whose Istio changes wait for.
    """

    mesh: model.Mesh
    group: str
    providers: Mapping[str, k8s.Provider]
    on_error: Mapping[str, Sequence[pulumi.ErrorHook]] = field(default_factory=dict)
    upgrades: Upgrades = field(default_factory=Upgrades)


class Group(pulumi.ComponentResource):
    """Of a divided mesh, istiod and gateways of one group's clusters; the stack of trust and links comes first.

    Attributes:
        clusters: by Istio's cluster name.
    """

    clusters: dict[str, Cluster]

    def __init__(self, name: str, args: GroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:Group", name, None, opts)
        self._declared = [c for c in args.mesh.clusters if c.group == args.group]
        self.clusters = {}
        for declared in self._declared:
            self.clusters[declared.name] = _cluster(name, declared, args, self, self.clusters, [])
        self.register_outputs(self.summary(args.mesh))

    def summary(self, mesh: model.Mesh) -> dict[str, pulumi.Input[object]]:
        """What the stack exports; nothing secret."""
        return {
            **_mesh_summary(mesh),
            "clusters": {c.name: {**_cluster_summary(c), **self.clusters[c.name].summary()} for c in self._declared},
        }


def _cluster(
    name: str,
    declared: model.Cluster,
    args: MeshArgs | GroupArgs,
    parent: pulumi.Resource,
    before: Mapping[str, Cluster],
    ready: Sequence[pulumi.Resource],
) -> Cluster:
    """A cluster, after those of the ones before it whose upgrade it waits for."""
    first = before.get(args.upgrades.after.get(declared.name, ""))
    return Cluster(
        f"{name}-{declared.name}",
        ClusterArgs(
            mesh=args.mesh,
            cluster=declared,
            on_error=args.on_error.get(declared.name, ()),
            only_new=args.upgrades.only_new.get(declared.name),
        ),
        pulumi.ResourceOptions(
            parent=parent,
            providers=[args.providers[declared.name]],
            depends_on=[*ready, *([first] if first else [])],
        ),
    )


def _mirrored_policy(
    name: str,
    args: MeshArgs | TrustAndLinksArgs,
    providers: Mapping[str, k8s.Provider],
    ready: Mapping[str, Sequence[pulumi.Resource]],
    opts: pulumi.ResourceOptions,
) -> None:
    if args.policy:
        MirroredPolicy(f"{name}-policy", MirroredPolicyArgs(pulumi.get_stack(), args.policy, providers, ready), opts)


def _mesh_summary(mesh: model.Mesh) -> dict[str, Any]:
    return {"meshId": mesh.id, "trustDomain": mesh.trust_domain}


def _trust_summary(trust: Trust, authorities: Mapping[str, str]) -> dict[str, pulumi.Input[object]]:
    return {"root": trust.summary(), "rotation": trust.rotation_summary(), "expiries": trust.expiries(authorities)}


def _cluster_summary(cluster: model.Cluster) -> dict[str, Any]:
    return {"region": cluster.region, "network": cluster.network}
