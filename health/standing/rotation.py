"""How far the replacement of the root is, by what a cluster signs with and gives out."""

from health.checks.trust import root_of
from health.observed import Trust
from topology import model
from topology.root_rotation import Stage, stage_of


def live_stage(trust: Trust, declared: model.Trust) -> Stage | None:
    """The stage that a cluster is at; None: none, as where other hands have changed its roots.

    Args:
        trust: what its istiod signs with, and the roots that it gives out: the present one first.
        declared: of the stack file: of one root alone it cannot be told whether it is the new one, and of several
            whether a provided text has them all.
    """
    stage = stage_of(declared)
    if stage is Stage.OLD and declared.root == "provided":
        return stage
    roots = list(dict.fromkeys(each.fingerprint for each in trust.roots))
    signs = root_of(trust.chain, trust.roots)
    if signs is None or len(roots) > 2:
        return None
    if len(roots) == 1:
        return stage if stage is Stage.NEW_ONLY else Stage.OLD
    return Stage.BOTH_TRUSTED if signs.fingerprint == roots[0] else Stage.NEW_SIGNS
