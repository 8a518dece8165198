"""What an upgrade has to do with in running clusters."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from live.kubeconfig import ClusterAccess
from live.ownership import templates_crds
from live.upgrade.installed import counted, seen
from live.upgrade.proxies import Proxy, Workload, running_proxies
from live.upgrade.rollout import KINDS, read, why_not_restartable
from topology import Mesh
from topology.defaults import istio_of
from topology.upgrade import Outdated, Surveyed


def survey(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> dict[str, Surveyed]:
    """What every cluster has, all asked at once.

    Args:
        mesh: the mesh as it is to be.
        accesses: the clusters, by Istio's name.

    Raises:
        UnreachableError: a cluster does not answer.
    """
    versions = {name: istio_of(mesh, mesh.cluster(name)).version or "" for name in accesses}
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        futures = {name: pool.submit(surveyed, accesses[name], versions[name]) for name in accesses}
    return {name: future.result() for name, future in futures.items()}


def surveyed(access: ClusterAccess, version: str) -> Surveyed:
    """What one cluster has.

    Args:
        access: the cluster.
        version: the Istio version that it is to have.

    Raises:
        UnreachableError: it does not answer.
    """
    found, proxies = seen(access), running_proxies(access)
    return Surveyed(
        replace(found.installed, proxies=counted(proxies)),
        found.pods,
        len(found.own_crds) if templates_crds(version) else 0,
        tuple(_outdated(access, proxies, version)),
    )


def _outdated(access: ClusterAccess, proxies: Iterable[Proxy], version: str) -> Iterable[Outdated]:
    others: defaultdict[Workload, list[str]] = defaultdict(list)
    for each in proxies:
        if each.version and each.version != version:
            others[each.workload].append(each.version)
    for workload, versions in sorted(others.items()):
        left = why_not_restartable(workload, read(access, workload) if workload.kind in KINDS else None)
        told = tuple(sorted(set(versions)))
        yield Outdated(workload.namespace, workload.kind, workload.name, len(versions), told, left)
