"""What the Pulumi program does before it declares a mesh whose Istio versions differ from the installed ones."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

import pulumi

from live.kubeconfig import ClusterAccess
from live.takeover.charts import templates_crds
from live.upgrade import rollout
from live.upgrade.crd_ownership import take_crds, told
from live.upgrade.installed import Seen, seen_in, with_proxies
from live.upgrade.proxies import Workload
from topology import Mesh, MeshConfigError
from topology.defaults import NAMESPACE, istio_of
from topology.revisions import base_version, by_revisions, declared_revisions, default_revision, istiod_of
from topology.upgrade import Installed, changing, leaving, predecessors, refused, still_used, unknown_labels

# Until every node's kube-proxy leads to the new istiods only (it gathers changes for a second), and every API server
# goes by the new webhooks.
SETTLE_SECONDS = 2


@dataclass(frozen=True)
class Upgrade:
    """How the clusters whose Istio changes come one after the other.

    Attributes:
        after: for the name of a cluster that waits, the one that has to be ready before.
        only_new: for each cluster that changes, what returns once no other istiod than a new one injects; empty in a
            preview.
    """

    after: Mapping[str, str] = field(default_factory=dict)
    only_new: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


def prepare_upgrade(mesh: Mesh, accesses: Mapping[str, ClusterAccess], own: Mapping[str, Collection[str]]) -> Upgrade:
    """Refuse what Istio does not support, put the ownership of CRDs right, and say which cluster waits for which.

    Refused is too what would leave proxies without their istiod. A preview says what would be done and changes nothing.

    Args:
        mesh: the declared mesh.
        accesses: the clusters that answer and whose Helm releases are this stack's, by Istio's name.
        own: by cluster, the names of the Helm releases that this stack has made.

    Raises:
        MeshConfigError: a change of version that Istio does not support, or an istiod or tag that is taken out while
            proxies or namespaces go by it.
        UnreachableError: a cluster does not do what is asked.
    """
    seen = seen_in(accesses)
    installed = {name: each.installed for name, each in seen.items()}
    names, gone = changing(mesh, installed), leaving(mesh, installed, own)
    installed |= {name: with_proxies(accesses[name], installed[name]) for name in {*names, *gone}}
    if problems := [*refused(mesh, installed), *still_used(mesh, installed, own)]:
        raise MeshConfigError(problems)
    for problem in unknown_labels(mesh, installed):
        pulumi.log.warn(str(problem))
    for name, each in seen.items():
        _own_crds(mesh, accesses[name], each)
    for name, revisions in gone.items():
        listed = ", ".join(map(istiod_of, revisions))
        pulumi.log.info(f"cluster {name}: {listed} goes at the end: no workload's proxy is of it any more")
    if not names:
        return Upgrade()
    after = predecessors(names, mesh.upgrades_at_once)
    for name in names:
        order = f" after {after[name]}" if name in after else ""
        pulumi.log.info(f"cluster {name}: {_told(mesh, name, installed[name])}{order}")
    if pulumi.runtime.is_dry_run():
        return Upgrade(after)
    return Upgrade(after, {name: partial(_only_new, mesh, accesses[name]) for name in names})


def _told(mesh: Mesh, cluster: str, installed: Installed) -> str:
    istio, present = istio_of(mesh, mesh.cluster(cluster)), installed.revisions
    if not by_revisions(istio) and not installed.named:
        return f"Istio {installed.istiod} changes to {istio.version}"
    said = [
        f"{each.istiod} {f'{present[each.name]} changes to' if each.name in present else 'is new:'} {each.version}"
        for each in declared_revisions(istio)
        if present.get(each.name) != each.version
    ]
    return ", ".join(said) or f"its gateways go over to revision {default_revision(istio).name}"


def _own_crds(mesh: Mesh, access: ClusterAccess, seen: Seen) -> None:
    if not seen.own_crds or not templates_crds(base_version(istio_of(mesh, mesh.cluster(access.name)))):
        return
    pulumi.log.warn(told(access.name, seen.own_crds))
    if not pulumi.runtime.is_dry_run():
        take_crds(access, seen.own_crds)


async def _only_new(mesh: Mesh, access: ClusterAccess) -> None:
    istio = istio_of(mesh, mesh.cluster(access.name))
    seconds, istiod = istio.timeout_seconds or 0, default_revision(istio).istiod
    deployment = Workload(NAMESPACE, "Deployment", istiod)

    def progress(lacks: str) -> None:
        pulumi.log.info(f"cluster {access.name}: waiting for {istiod}: {lacks}")

    lacks = await asyncio.to_thread(rollout.wait, access, deployment, seconds, progress)
    if lacks:
        raise pulumi.RunError(
            f"cluster {access.name}: the rollout of {istiod} did not end within {seconds} s: {lacks}. Its gateways are "
            f"not restarted, and no other cluster is touched. See `kubectl -n {NAMESPACE} rollout status deployment/"
            f"{istiod}`, then `pulumi up` again"
        )
    await asyncio.sleep(SETTLE_SECONDS)
