"""istiod of one cluster, by Istio's own Helm charts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from topology.defaults import BASE_RELEASE, ISTIOD_RELEASE, merge
from topology.model import Istio


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


def istiod_values(args: ControlPlaneArgs) -> dict[str, Any]:
    """Values of the istiod chart: what the mesh needs, the user's over it, on top what has keys of its own."""
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
            "tag": args.istio.version,
            "meshID": args.mesh_id,
            "multiCluster": {"clusterName": args.cluster},
            "network": args.network,
        }
    }
    if args.istio.image_pull_secrets:
        identity["global"]["imagePullSecrets"] = args.istio.image_pull_secrets
    if args.istio.env:
        identity["pilot"] = {"env": args.istio.env}
    return merge(merge(needed, args.istio.values), identity)


class ControlPlane(pulumi.ComponentResource):
    """Istio's CRDs (chart base) and istiod (chart istiod) as Helm releases.

    Attributes:
        version: the Istio version.
        istiod: the release of istiod.
    """

    version: str
    istiod: k8s.helm.v3.Release

    def __init__(self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:ControlPlane", name, None, opts)
        base = self._release(f"{name}-base", BASE_RELEASE, "base", {}, args, depends_on=[])
        self.istiod = self._release(
            f"{name}-istiod", ISTIOD_RELEASE, "istiod", istiod_values(args), args, depends_on=[base]
        )
        self.version = args.istio.version or ""
        self.register_outputs({"version": self.version})

    def once_ready(self, wait: Callable[[], Awaitable[None]]) -> pulumi.Output[str]:
        """The version, known only once istiod's release is through and what it is waited by has returned.

        Args:
            wait: raises where it waits in vain.
        """

        async def version(_: object) -> str:
            await wait()
            return self.version

        return self.istiod.status.apply(version)

    def _release(
        self,
        name: str,
        release: str,
        chart: str,
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
            chart=chart if remote else f"{charts}/{args.istio.version}/{chart}",
            version=args.istio.version if remote else None,
            repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=charts) if remote else None,
            values=values,
            timeout=args.istio.timeout_seconds,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(depends_on),
                hooks=pulumi.ResourceHookBinding(on_error=list(args.on_error)) if args.on_error else None,
            ),
        )
