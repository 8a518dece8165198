"""The revisions of running clusters, with the proxies that are of each."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from live.kubeconfig import ClusterAccess
from live.upgrade.installed import seen
from live.upgrade.proxies import running_proxies
from topology import Mesh
from topology.defaults import istio_of
from topology.model import Istio
from topology.revisions import DEFAULT, declared_revisions, default_revision, istiod_of


@dataclass(frozen=True)
class ListedRevision:
    """One istiod of a cluster, and who goes by it.

    Attributes:
        name: its revision.
        declared: the version that is declared; empty: it is not.
        present: the version that it was installed with; empty: it is not there.
        default: whether it is the default revision, by what is declared.
        tags: the tags that stand for it, by what is declared.
        pods: how many pods its Deployment wants.
        gateways: the mesh's own gateways that it injects.
        proxies: by namespace, how many other running proxies it has injected.
    """

    name: str
    declared: str
    present: str
    default: bool
    tags: tuple[str, ...]
    pods: int
    gateways: tuple[str, ...]
    proxies: Mapping[str, int] = field(default_factory=dict)


def listed(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> dict[str, list[ListedRevision]]:
    """The revisions of each cluster, the default one first, all clusters asked at once.

    Args:
        mesh: the declared mesh.
        accesses: the clusters, by Istio's name.

    Raises:
        UnreachableError: a cluster does not answer.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        futures = {
            name: pool.submit(_of_cluster, istio_of(mesh, mesh.cluster(name)), access)
            for name, access in accesses.items()
        }
    return {name: future.result() for name, future in futures.items()}


def _of_cluster(istio: Istio, access: ClusterAccess) -> list[ListedRevision]:
    found, default = seen(access), default_revision(istio).name
    has, declared = found.installed, {each.name: each.version for each in declared_revisions(istio)}
    counted = Counter((each.revision, each.namespace) for each in running_proxies(access))
    # Proxies may be of an istiod that is gone.
    names = dict.fromkeys([*declared, *has.revisions, *sorted(revision for revision, _ in counted)])
    return [
        ListedRevision(
            name,
            declared.get(name, ""),
            has.revisions.get(name, ""),
            name == default,
            tuple(sorted(tag for tag, target in istio.tags.items() if target == name)),
            found.pods.get(istiod_of(name), 0),
            tuple(sorted(each for each in has.gateways if has.injected_by.get(each, DEFAULT) == name)),
            {where: number for (revision, where), number in sorted(counted.items()) if revision == name},
        )
        for name in names
    ]
