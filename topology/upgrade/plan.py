"""What an upgrade restarts, and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from topology.defaults import istio_of
from topology.model import Istio, Mesh
from topology.revisions import DEFAULT, by_revisions, declared_revisions, default_revision
from topology.upgrade.installed import Installed
from topology.upgrade.order import changing, predecessors


@dataclass(frozen=True)
class Outdated:
    """A workload whose proxies a restart would bring to another version, or to another revision.

    Attributes:
        namespace: its namespace.
        kind: what it is: Deployment, StatefulSet, DaemonSet, another controller's kind, or a single Pod.
        name: its name.
        pods: how many of its pods that concerns.
        versions: the versions of their proxies.
        left: why a restart of workloads leaves it as it is; empty: it does not.
        revisions: the revisions that injected its proxies.
    """

    namespace: str
    kind: str
    name: str
    pods: int
    versions: tuple[str, ...]
    left: str = ""
    revisions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Surveyed:
    """What an upgrade of one cluster has to do with.

    Attributes:
        installed: the versions that it has.
        pods: for each istiod and each of the mesh's gateways, by the name of its Deployment, how many pods it has.
        crds: how many CRDs become part of the Helm release that has them as templates.
        workloads: those whose proxies are of another version than the declared one.
    """

    installed: Installed
    pods: Mapping[str, int] = field(default_factory=dict)
    crds: int = 0
    workloads: tuple[Outdated, ...] = ()


@dataclass(frozen=True)
class PlannedRevision:
    """What becomes of one istiod.

    Attributes:
        name: its revision.
        present: the version that it has; empty: it is not there yet.
        declared: the version that it gets; empty: it is removed.
    """

    name: str
    present: str
    declared: str

    def __str__(self) -> str:
        if not self.present or self.present == self.declared:
            return f"{self.name} {self.declared}" + ("" if self.present else " (new)")
        return f"{self.name} {self.present}" + (f" to {self.declared}" if self.declared else " (removed)")


@dataclass(frozen=True)
class ClusterPlan:
    """What happens in one cluster.

    Attributes:
        cluster: Istio's name of it.
        present: the version that the istiod of its default revision has; empty: none.
        declared: the version that it gets.
        changes: whether an update changes istiod or gateways.
        after: the cluster that has to be ready before; empty: it does not wait.
        restarts: what restarts at an update, in that order, each with the number of its pods.
        crds: how many CRDs become part of the Helm release that has them as templates.
        workloads: those that need a restart afterwards.
        revisions: every istiod that is there or declared, the default one first; empty where there are no revisions.
    """

    cluster: str
    present: str
    declared: str
    changes: bool
    after: str
    restarts: tuple[tuple[str, int], ...]
    crds: int
    workloads: tuple[Outdated, ...]
    revisions: tuple[PlannedRevision, ...] = ()


def plan(mesh: Mesh, surveyed: Mapping[str, Surveyed]) -> list[ClusterPlan]:
    """What happens in each cluster, in the mesh's order.

    Args:
        mesh: the declared mesh.
        surveyed: by cluster, what it has.
    """
    installed = {name: each.installed for name, each in surveyed.items()}
    names = changing(mesh, installed)
    after = predecessors(names, mesh.upgrades_at_once)
    return [
        _cluster(c.name, istio_of(mesh, c), surveyed[c.name], c.name in names, after.get(c.name, ""))
        for c in mesh.clusters
        if c.name in surveyed
    ]


def _cluster(name: str, istio: Istio, seen: Surveyed, changes: bool, after: str) -> ClusterPlan:
    has, default = seen.installed, default_revision(istio)
    declared = {each.name: each for each in declared_revisions(istio)}
    parts = [each.istiod for each in declared.values() if has.revisions.get(each.name) not in (None, each.version)]
    parts += [
        gateway
        for gateway, version in has.gateways.items()
        if version != default.version or has.injected_by.get(gateway, DEFAULT) != default.name
    ]
    # Of a mesh that makes no use of revisions there is nothing to say but the version.
    names = {**declared, **has.revisions} if by_revisions(istio) or has.named else {}
    return ClusterPlan(
        name,
        has.revisions.get(default.name, ""),
        default.version,
        changes,
        after,
        tuple((part, seen.pods.get(part, 0)) for part in parts) if changes else (),
        seen.crds,
        seen.workloads,
        tuple(
            PlannedRevision(each, has.revisions.get(each, ""), declared[each].version if each in declared else "")
            for each in names
        ),
    )


def with_version(mesh: Mesh, version: str, clusters: Sequence[str]) -> Mesh:
    """The mesh with another Istio version declared.

    Args:
        mesh: the declared mesh.
        version: the Istio version.
        clusters: those that get it; empty: all, and the version of the mesh is the only one.
    """
    changed = [
        cluster.model_copy(update={"istio": _set(cluster.istio, version if clusters else None)})
        if not clusters or cluster.name in clusters
        else cluster
        for cluster in mesh.clusters
    ]
    istio = mesh.istio if clusters else _set(mesh.istio, version)
    return mesh.model_copy(update={"istio": istio, "clusters": changed})


def _set(istio: Istio, version: str | None) -> Istio:
    return istio.model_copy(update={"version": version})
