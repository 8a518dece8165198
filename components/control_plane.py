"""istiod of one cluster, by Istio's own Helm charts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.revision_tags import RevisionTag, RevisionTagArgs
from topology.defaults import BASE_RELEASE, merge
from topology.model import Istio
from topology.revisions import DEFAULT, Revision, base_version, by_revisions, declared_revisions, default_revision


@dataclass(frozen=True)
class ControlPlaneArgs:
    """Arguments of :class:`ControlPlane`.

    Attributes:
        cluster: Istio's cluster name.
        network: Istio's network of the cluster.
        mesh_id: id of the mesh.
        trust_domain: SPIFFE trust domain of the mesh.
        istio: version, hub, charts and values, complete.
        namespace: namespace of istiod; has to exist.
        on_error: hooks that are asked when a release fails.
    """

    cluster: str
    network: str
    mesh_id: str
    trust_domain: str
    istio: Istio
    namespace: str
    on_error: Sequence[pulumi.ErrorHook] = field(default=())


def istiod_values(args: ControlPlaneArgs, revision: Revision) -> dict[str, Any]:
    """Values of the istiod chart: what the mesh needs, the user's over it, on top what has keys of its own.

    Args:
        args: of the cluster.
        revision: whose istiod it is.
    """
    needed = {
        # Without these two a new root cannot be trusted before a restart.
        "pilot": {"env": {"ISTIO_MULTIROOT_MESH": "true"}},
        "meshConfig": {
            "trustDomain": args.trust_domain,
            "defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "true"}},
        },
    }
    identity: dict[str, Any] = {
        "global": {
            "hub": args.istio.hub,
            "tag": revision.version,
            "meshID": args.mesh_id,
            "multiCluster": {"clusterName": args.cluster},
            "network": args.network,
        }
    }
    if args.istio.image_pull_secrets:
        identity["global"]["imagePullSecrets"] = args.istio.image_pull_secrets
    if args.istio.env:
        identity["pilot"] = {"env": args.istio.env}
    if revision.name != DEFAULT:
        identity["revision"] = revision.name
    elif by_revisions(args.istio):
        # Its webhooks answer for everything that names no revision, which is the tag `default`'s now.
        identity["global"]["operatorManageWebhooks"] = True
    return merge(merge(needed, args.istio.values), identity)


class ControlPlane(pulumi.ComponentResource):
    """Istio's CRDs (chart base) and an istiod for each revision (chart istiod) as Helm releases, and revision tags.

    A release is named by its revision, never by what it is to the mesh: the default revision changes without any being
    made anew.

    Attributes:
        version: the Istio version of the default revision.
        istiods: by revision, the release of its istiod.
        tags: by name, the revision tags; `default` is one where there are revisions.
    """

    version: str
    istiods: dict[str, k8s.helm.v3.Release]
    tags: dict[str, RevisionTag]

    def __init__(self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:ControlPlane", name, None, opts)
        revisions, default = declared_revisions(args.istio), default_revision(args.istio)
        newest = Revision(DEFAULT, base_version(args.istio))
        base_values = {} if default.name == DEFAULT else {"defaultRevision": default.name}
        base = self._release(f"{name}-base", BASE_RELEASE, "base", newest, base_values, args, [])
        self.istiods, self.tags = {}, {}
        # The istiod without a revision comes last: it keeps its own webhooks until the tag `default` stands.
        for revision in sorted(revisions, key=lambda each: each.name == DEFAULT):
            if revision.name == DEFAULT:
                self._tag(name, DEFAULT, default.name, args)
            self.istiods[revision.name] = self._release(
                f"{name}-{revision.istiod}",
                revision.istiod,
                "istiod",
                revision,
                istiod_values(args, revision),
                args,
                [base, *self.tags.values()],
            )
        if DEFAULT not in self.istiods:
            self._tag(name, DEFAULT, default.name, args)
        for tag, target in args.istio.tags.items():
            self._tag(name, tag, target, args)
        self.version, self._default = default.version, default.name
        self.register_outputs({"version": self.version, "revisions": {each.name: each.version for each in revisions}})

    def once_ready(self, wait: Callable[[], Awaitable[None]]) -> pulumi.Output[str]:
        """The default revision's version, known only once its istiod's release is through, what is injected by default
        is injected by it, and what it is waited by has returned.

        Args:
            wait: raises where it waits in vain.
        """

        async def version(_: object) -> str:
            await wait()
            return self.version

        through: list[pulumi.Output[Any]] = [self.istiods[self._default].status]
        through += [tag.made for tag in self.tags.values()]
        return pulumi.Output.all(*through).apply(version)

    def _tag(self, name: str, tag: str, revision: str, args: ControlPlaneArgs) -> None:
        """A tag, once the istiod that it stands for is there, if that is not to wait for it."""
        if by_revisions(args.istio):
            ready = [self.istiods[revision]] if revision in self.istiods else []
            self.tags[tag] = RevisionTag(
                f"{name}-tag-{tag}",
                RevisionTagArgs(tag, revision, args.namespace, args.istio.values),
                pulumi.ResourceOptions(parent=self, depends_on=ready),
            )

    def _release(
        self,
        name: str,
        release: str,
        chart: str,
        of: Revision,
        values: dict[str, Any],
        args: ControlPlaneArgs,
        depends_on: Sequence[pulumi.Resource],
    ) -> k8s.helm.v3.Release:
        charts = args.istio.charts or ""
        remote = "://" in charts
        return k8s.helm.v3.Release(
            name,
            name=release,
            namespace=args.namespace,
            chart=chart if remote else f"{charts}/{of.version}/{chart}",
            version=of.version if remote else None,
            repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=charts) if remote else None,
            values=values,
            timeout=args.istio.timeout_seconds,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(depends_on),
                hooks=pulumi.ResourceHookBinding(on_error=list(args.on_error)) if args.on_error else None,
            ),
        )
