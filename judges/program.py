"""What the Pulumi program does with everyone's verdict, before it declares anything."""

from collections.abc import Mapping, Set
from pathlib import Path

import pulumi

from judges.hearing import hear
from live.kubeconfig import ClusterAccess
from policy.review import Gathered
from topology import Mesh


def check_policy(
    mesh: Mesh, gathered: Gathered, accesses: Mapping[str, ClusterAccess], coming: Set[str] = frozenset()
) -> None:
    """Warnings go to Pulumi's log, errors end the preview or the update.

    Args:
        mesh: the declared mesh.
        gathered: its policy.
        accesses: the clusters that answer, by Istio's name.
        coming: namespaces that the same update makes.

    Raises:
        pulumi.RunError: with every error; or, in an update, clusters that answer do not say whose objects are there.
    """
    if not (gathered.placed or gathered.findings):
        return
    review = hear(mesh, gathered, Path.cwd(), stack=pulumi.get_stack(), accesses=accesses, coming=coming)
    for reason in review.missing:
        pulumi.log.info(f"policy: not everyone was heard: {reason}")
    for finding in review.acknowledged:
        pulumi.log.info(f"policy: acknowledged: {finding} Reason given: {finding.acknowledged}")
    for finding in review.warnings:
        pulumi.log.warn(f"policy: {finding}")
    stopping = [str(finding) for finding in review.errors]
    if not pulumi.runtime.is_dry_run():
        # What may be somebody else's is not overwritten.
        unread = sorted(accesses.keys() - review.world.live.keys())
        stopping += [f"{name}: whose objects are there cannot be told" for name in unread]
    if stopping:
        count = "1 problem" if len(stopping) == 1 else f"{len(stopping)} problems"
        raise pulumi.RunError(f"{count} in the policy:\n" + "\n".join(f"  - {each}" for each in stopping))
