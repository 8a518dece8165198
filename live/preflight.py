"""What has to be true of the clusters before anything of the mesh is touched."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import pulumi

from live.division import without_trust
from live.given_trust import losing_trust
from live.helm_records import helm_records
from live.kubeconfig import ClusterAccess
from live.made_clusters import (
    ClusterIds,
    LostNamespace,
    cluster_ids,
    lost_namespaces,
    lost_releases,
    made_clusters,
    other_clusters,
    uids_output,
)
from live.nodes import NodeFacts, node_facts, overlap
from live.reachability import UnreachableError, explained
from live.removed_clusters import removed_clusters, silent
from live.takeover.charts import CRD, Foreign, foreign_objects
from live.takeover.gateways import gateways_in_the_way, gateways_of
from topology import Cluster, Mesh, MeshConfigError, Problem, networks
from topology.checks import doubts
from topology.checks.keys import cluster_keys
from topology.defaults import istio_of
from topology.model import Istio

SHOWN = 5
TAKE_OVER = "Remove that Istio with its own installer, or see what `spanmesh adopt` would take over"
# Helm keeps CRDs, and those of a chart's folder crds/ are without its marks.
LEFT_CRDS = "CRDs left by another installer, or by a mesh of Istio before 1.24 that was destroyed here,"
TAKE_CRDS = "`spanmesh adopt` makes them part of the mesh's Helm release; objects of these kinds stay"


class PreflightReport:
    """What was found.

    Attributes:
        skipped: clusters that do not answer and are left as they are meanwhile, as declared.
        unreachable: the other clusters that do not answer: no preview needs them, every update does.
        problems: what would make an update fail half-way, or a mesh that does not work.
        doubts: what may be meant, but mostly is not.
        answering: the clusters that answer, by Istio's name.
    """

    def __init__(self) -> None:
        self.skipped: list[Problem] = []
        self.unreachable: list[Problem] = []
        self.problems: list[Problem] = []
        self.doubts: list[Problem] = []
        self.answering: dict[str, ClusterIds] = {}

    def raise_problems(self, *, unreachable_too: bool) -> None:
        """Raise MeshConfigError if anything stands in the way."""
        found = (self.unreachable if unreachable_too else []) + self.problems
        if found:
            raise MeshConfigError(found)


@dataclass(frozen=True)
class _Found:
    """What one cluster says of itself."""

    ids: ClusterIds
    nodes: NodeFacts
    problems: list[tuple[str, str]]


def preflight(mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> PreflightReport:
    """Ask every cluster, in parallel: reachable, the credentials good, a cluster of its own, no left-overs.

    Clusters on one network are held against each other: pods that reach each other directly need addresses of
    their own (https://istio.io/latest/docs/ops/deployment/deployment-models/#single-network).
    """
    report = PreflightReport()
    keys = {cluster.name: key for key, cluster in cluster_keys(mesh)}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        futures = {
            name: pool.submit(_cluster, access, istio_of(mesh, mesh.cluster(name)), gateways_of(mesh.cluster(name)))
            for name, access in accesses.items()
        }
    found: dict[str, _Found] = {}
    for name, future in futures.items():
        try:
            found[name] = future.result()
        except UnreachableError as error:
            _unreachable(report, mesh.cluster(name), keys[name], error)
    report.answering = {name: each.ids for name, each in found.items()}
    report.problems += _same_cluster(keys, found)
    for name, each in found.items():
        report.problems += [Problem(keys[name], *problem) for problem in each.problems]
    report.problems += _overlapping_pods(mesh, keys, found)
    report.doubts += _other_regions(mesh, keys, found)
    return report


def _unreachable(report: PreflightReport, cluster: Cluster, key: str, error: UnreachableError) -> None:
    if cluster.skip_update_unreachable:
        cause = f"cluster {cluster.name}: {error.cause}"
        report.skipped.append(Problem(f"{key}.kubeconfig", cause, "What stands in it is left as it is meanwhile"))
        return
    cure = f"{error.cure}. To go on without it meanwhile: `skipUpdateUnreachable: true`"
    report.unreachable.append(Problem(f"{key}.kubeconfig", f"cluster {cluster.name}: {error.cause}", cure))


def _same_cluster(keys: Mapping[str, str], found: Mapping[str, _Found]) -> Iterator[Problem]:
    uids: dict[str, str] = {}
    for name, each in found.items():
        uid = each.ids.cluster
        if uid in uids:
            yield Problem(
                f"{keys[name]}.kubeconfig",
                f"it opens the same cluster as {uids[uid]}'s (kube-system has the uid {uid})",
                "Give each cluster its own kubeconfig, or its own context",
            )
        uids.setdefault(uid, name)


def _overlapping_pods(mesh: Mesh, keys: Mapping[str, str], found: Mapping[str, _Found]) -> Iterator[Problem]:
    for network, clusters in networks(mesh).items():
        for one, other in combinations([c.name for c in clusters if c.name in found], 2):
            shared = overlap(found[one].nodes, found[other].nodes)
            if shared is not None:
                yield Problem(
                    f"{keys[other]}.network",
                    f"{one} and {other} are both on {network}, and both have pods in {shared}: a pod's address would "
                    "lead to the wrong cluster",
                    f"Give {other} a network of its own, or another range of pods",
                )


def _other_regions(mesh: Mesh, keys: Mapping[str, str], found: Mapping[str, _Found]) -> Iterator[Problem]:
    for name, each in found.items():
        region = mesh.cluster(name).region
        if region and each.nodes.regions and region not in each.nodes.regions:
            yield Problem(
                f"{keys[name]}.region",
                f"{region} is declared, and the nodes of {name} are labelled {', '.join(sorted(each.nodes.regions))}: "
                "Istio goes by the labels",
                "Correct one of the two",
            )


def _cluster(access: ClusterAccess, istio: Istio, gateways: Sequence[str]) -> _Found:
    ids = cluster_ids(access)
    # It answered a moment ago; on a busy machine the next answer may still come too late.
    with explained(access, "looking for what another installer left"):
        return _Found(ids, node_facts(access), _left_overs(access, istio, gateways))


def _left_overs(access: ClusterAccess, istio: Istio, gateways: Sequence[str]) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if records := [str(record) for record in helm_records(access) if record.pending]:
        problems.append(
            (
                f"cluster {access.name}: an interrupted run left Helm releases unfinished: {', '.join(records)}",
                "Run `spanmesh repair`, then `pulumi up` again",
            )
        )
    elif objects := [*foreign_objects(access, istio), *gateways_in_the_way(access, gateways)]:
        named = ", ".join(str(item) for item in objects[:SHOWN])
        named += f" and {len(objects) - SHOWN} more" if len(objects) > SHOWN else ""
        if all(isinstance(each, Foreign) and each.kind == CRD for each in objects):
            problems.append((f"cluster {access.name}: {LEFT_CRDS} are in the way: {named}", TAKE_CRDS))
        else:
            what = f"cluster {access.name}: Istio objects of another installer are in the way: {named}"
            problems.append((what, TAKE_OVER))
    return problems


@dataclass(frozen=True)
class Checked:
    """What the program goes on with.

    Attributes:
        answering: the clusters that answer, by Istio's name.
        uids: the stack output by which the next update knows the clusters again.
        lost: the clusters whose istio-system was deleted behind Pulumi's back.
        releases: by cluster, the names of the Helm releases that this stack has made.
    """

    answering: dict[str, ClusterAccess]
    uids: dict[str, str]
    lost: list[LostNamespace]
    releases: dict[str, frozenset[str]]


def check_clusters(mesh: Mesh, group: str | None, accesses: Mapping[str, ClusterAccess]) -> Checked:
    """What the Pulumi program asks of the clusters before it declares anything; warnings go to Pulumi's log.

    A pull request is previewed where the clusters may be out of reach: a preview only warns of that, an update needs
    every cluster that is not marked otherwise.

    Args:
        mesh: the declared mesh.
        group: whose clusters this stack brings up; None: all, or trust and links.
        accesses: the clusters of this stack.

    Raises:
        MeshConfigError: with everything that stands in the way.
    """
    report = preflight(mesh, accesses)
    answering = {name: accesses[name] for name in report.answering}
    made = made_clusters(pulumi.get_stack(), accesses)
    report.problems += other_clusters(mesh, made, report.answering, accesses)
    report.unreachable += silent(removed_clusters(pulumi.get_stack(), accesses), pulumi.get_stack())
    report.problems += lost_releases(mesh, made, report.answering)
    report.problems += losing_trust(mesh, answering) if group is None else without_trust(answering)
    for problem in [*doubts(mesh), *report.doubts, *report.skipped, *report.unreachable]:
        pulumi.log.warn(str(problem))
    report.raise_problems(unreachable_too=not pulumi.runtime.is_dry_run())
    lost = list(lost_namespaces(mesh, made, report.answering))
    releases = {name: each.releases for name, each in made.items()}
    return Checked(answering, uids_output(made, report.answering), lost, releases)
