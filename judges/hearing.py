"""Everyone who has something to say of policy, heard in order: for a preview, and for `spanmesh policy check`."""

from collections.abc import Mapping, Set
from pathlib import Path

from judges.istioctl import RULES as OF_ISTIOCTL
from judges.istioctl import second_opinion
from judges.shapes import shapes_of
from live.kubeconfig import ClusterAccess
from live.policy import RULES as OF_CLUSTERS
from live.policy import Readings, judge, read_all
from policy.review import RULES as OWN
from policy.review import Gathered, Review, review
from topology import Mesh

RULES = (*OWN, *OF_CLUSTERS, *OF_ISTIOCTL)
"""Every rule there is."""


def hear(
    mesh: Mesh | None,
    gathered: Gathered,
    project: Path,
    version: str | None = None,
    stack: str = "",
    accesses: Mapping[str, ClusterAccess] | None = None,
    coming: Set[str] = frozenset(),
) -> Review:
    """What the types, our rules, istioctl and the clusters say. Who cannot be had is named in ``missing``.

    Args:
        mesh: the declared mesh; None where files are judged without a stack.
        gathered: its policy.
        project: the project's folder, where a stack's folder of charts is told from.
        version: Istio's, without a mesh; default is the toolchain's current one.
        stack: the stack's name, by whose label clusters tell own policy from that of others.
        accesses: the clusters to ask, by Istio's name; none: no cluster is asked.
        coming: namespaces that the same update makes.
    """
    if not gathered.placed:
        return review(mesh, gathered, {}, further=RULES)
    shapes = shapes_of(mesh, project, version)
    readings = read_all(accesses, stack, gathered.placed) if accesses else Readings()
    own = review(mesh, gathered, shapes.by_cluster, readings.live, RULES).also(missing=shapes.missing)
    opinion = second_opinion(own.world, own.findings, version)
    heard = own.also(opinion.findings, opinion.missing)
    if not accesses:
        return heard
    verdict = judge(accesses, stack, gathered.placed, readings, coming)
    return heard.also(verdict.findings, (f"{cluster}: {why}" for cluster, why in verdict.unjudged.items()))
