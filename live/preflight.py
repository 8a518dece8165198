"""What has to be true of the clusters before anything of the mesh is touched."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from live.helm_records import helm_records
from live.kubeconfig import ClusterAccess
from live.ownership import foreign_objects
from live.reachability import UnreachableError, cluster_uid
from topology import Mesh, MeshConfigError, Problem
from topology.defaults import istio_of

SHOWN = 5


class PreflightReport:
    """What was found.

    Attributes:
        unreachable: clusters that do not answer: no preview needs them, every update does.
        problems: what would make an update fail half-way.
    """

    def __init__(self) -> None:
        self.unreachable: list[Problem] = []
        self.problems: list[Problem] = []

    def raise_problems(self, *, unreachable_too: bool) -> None:
        """Raise MeshConfigError if anything stands in the way."""
        found = (self.unreachable if unreachable_too else []) + self.problems
        if found:
            raise MeshConfigError(found)


def preflight(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> PreflightReport:
    """Ask every cluster, in parallel: reachable, the credentials good, a cluster of its own, no left-overs."""
    report = PreflightReport()
    uids: dict[str, str] = {}
    keys = {c.name: f"spanmesh:mesh.clusters[{i}]" for i, c in enumerate(mesh.clusters)}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        futures = {
            name: pool.submit(_cluster, access, istio_of(mesh, mesh.cluster(name)).version or "")
            for name, access in accesses.items()
        }
    for name, future in futures.items():
        try:
            uid, problems = future.result()
        except UnreachableError as error:
            report.unreachable.append(Problem(f"{keys[name]}.kubeconfig", f"cluster {name}: {error.cause}", error.cure))
            continue
        if uid in uids:
            report.problems.append(
                Problem(
                    f"{keys[name]}.kubeconfig",
                    f"it opens the same cluster as {uids[uid]}'s (kube-system has the uid {uid})",
                    "Give each cluster its own kubeconfig, or its own context",
                )
            )
        uids.setdefault(uid, name)
        report.problems += [Problem(keys[name], *found) for found in problems]
    return report


def _cluster(access: ClusterAccess, version: str) -> tuple[str, list[tuple[str, str]]]:
    uid = cluster_uid(access)
    problems: list[tuple[str, str]] = []
    if records := [str(record) for record in helm_records(access) if record.pending]:
        problems.append(
            (
                f"cluster {access.name}: an interrupted run left Helm releases unfinished: {', '.join(records)}",
                "Run `spanmesh repair`, then `pulumi up` again",
            )
        )
    elif objects := foreign_objects(access, version):
        named = ", ".join(str(item) for item in objects[:SHOWN])
        more = f" and {len(objects) - SHOWN} more" if len(objects) > SHOWN else ""
        problems.append(
            (
                f"cluster {access.name}: Istio objects of another installer are in the way: {named}{more}",
                "Remove that Istio with its own installer, or see what `spanmesh adopt` would take over",
            )
        )
    return uid, problems
