"""What the Pulumi program does before it declares a mesh whose Istio versions differ from the installed ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pulumi

from live.kubeconfig import ClusterAccess
from live.ownership import templates_crds
from live.upgrade import rollout
from live.upgrade.crd_ownership import take_crds, told
from live.upgrade.installed import Seen, seen_in, with_proxies
from live.upgrade.proxies import Workload
from topology import Mesh, MeshConfigError
from topology.defaults import ISTIOD_RELEASE, NAMESPACE, istio_of
from topology.upgrade import changing, predecessors, refused

ISTIOD = Workload(NAMESPACE, "Deployment", ISTIOD_RELEASE)
# Until every node's kube-proxy leads to the new istiods only; it gathers changes for a second.
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


def prepare_upgrade(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> Upgrade:
    """Refuse what Istio does not support, put the ownership of CRDs right, and say which cluster waits for which.

    A preview says what would be done, and changes nothing.

    Args:
        mesh: the declared mesh.
        accesses: the clusters that answer and whose Helm releases are this stack's, by Istio's name.

    Raises:
        MeshConfigError: a change of version that Istio does not support.
        UnreachableError: a cluster does not do what is asked.
    """
    seen = seen_in(accesses)
    installed = {name: each.installed for name, each in seen.items()}
    names = changing(mesh, installed)
    installed |= {name: with_proxies(accesses[name], installed[name]) for name in names}
    if problems := refused(mesh, installed):
        raise MeshConfigError(problems)
    for name, each in seen.items():
        _own_crds(mesh, accesses[name], each)
    if not names:
        return Upgrade()
    after = predecessors(names, mesh.upgrades_at_once)
    for name in names:
        version = istio_of(mesh, mesh.cluster(name)).version
        order = f" after {after[name]}" if name in after else ""
        pulumi.log.info(f"cluster {name}: Istio {seen[name].installed.istiod} changes to {version}{order}")
    if pulumi.runtime.is_dry_run():
        return Upgrade(after)
    return Upgrade(after, {name: partial(_only_new, mesh, accesses[name]) for name in names})


def _own_crds(mesh: Mesh, access: ClusterAccess, seen: Seen) -> None:
    if not seen.own_crds or not templates_crds(istio_of(mesh, mesh.cluster(access.name)).version or ""):
        return
    pulumi.log.warn(told(access.name, seen.own_crds))
    if not pulumi.runtime.is_dry_run():
        take_crds(access, seen.own_crds)


async def _only_new(mesh: Mesh, access: ClusterAccess) -> None:
    seconds = istio_of(mesh, mesh.cluster(access.name)).timeout_seconds or 0

    def progress(lacks: str) -> None:
        pulumi.log.info(f"cluster {access.name}: waiting for istiod: {lacks}")

    lacks = await asyncio.to_thread(rollout.wait, access, ISTIOD, seconds, progress)
    if lacks:
        raise pulumi.RunError(
            f"cluster {access.name}: the rollout of istiod did not end within {seconds} s: {lacks}. Its gateways are "
            f"not restarted, and no other cluster is touched. See `kubectl -n {NAMESPACE} rollout status deployment/"
            f"{ISTIOD_RELEASE}`, then `pulumi up` again"
        )
    await asyncio.sleep(SETTLE_SECONDS)
