"""What an upgrade has to do with in running clusters."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from live.kubeconfig import ClusterAccess
from live.takeover.charts import templates_crds
from live.upgrade.installed import counted, seen
from live.upgrade.proxies import Proxy, Workload, running_proxies
from live.upgrade.rollout import KINDS, read, why_not_restartable
from topology import Mesh
from topology.defaults import istio_of
from topology.model import Istio
from topology.revisions import base_version, injecting
from topology.upgrade import Outdated, Surveyed


def survey(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> dict[str, Surveyed]:
    """What every cluster has, all asked at once.

    Args:
        mesh: the mesh as it is to be.
        accesses: the clusters, by Istio's name.

    Raises:
        UnreachableError: a cluster does not answer.
    """
    istios = {name: istio_of(mesh, mesh.cluster(name)) for name in accesses}
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        futures = {name: pool.submit(surveyed, accesses[name], istios[name]) for name in accesses}
    return {name: future.result() for name, future in futures.items()}


def surveyed(access: ClusterAccess, istio: Istio) -> Surveyed:
    """What one cluster has.

    Args:
        access: the cluster.
        istio: the Istio that it is to have, complete.

    Raises:
        UnreachableError: it does not answer.
    """
    found, proxies = seen(access), running_proxies(access)
    return Surveyed(
        replace(found.installed, proxies=counted(proxies)),
        found.pods,
        len(found.own_crds) if templates_crds(base_version(istio)) else 0,
        tuple(_outdated(access, proxies, istio, found.installed.asked)),
    )


def _outdated(
    access: ClusterAccess, proxies: Iterable[Proxy], istio: Istio, asked: Mapping[str, str]
) -> Iterable[Outdated]:
    """Those whose proxies are of another revision than the one that would inject them now, or of another version."""
    others: defaultdict[Workload, list[Proxy]] = defaultdict(list)
    for each in proxies:
        revision = injecting(istio, asked.get(each.namespace) or each.revision)
        if each.version and (each.version, each.revision) != (revision.version, revision.name):
            others[each.workload].append(each)
    for workload, found in sorted(others.items()):
        left = why_not_restartable(workload, read(access, workload) if workload.kind in KINDS else None)
        versions, revisions = sorted({p.version for p in found}), sorted({p.revision for p in found})
        yield Outdated(
            workload.namespace, workload.kind, workload.name, len(found), tuple(versions), left, tuple(revisions)
        )
