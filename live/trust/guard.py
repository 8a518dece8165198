"""No change of the roots is declared before every proxy of the mesh can stand it.

A pull request may carry any stage of a rotation, or another root altogether. So the program itself asks the clusters,
and refuses what would make connections between proxies fail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from health.observed import Unknown
from health.trust_change import Obstacle, Stands, obstacles, stands, told
from live.kubeconfig import ClusterAccess
from live.own_state import UnreadableStateError
from live.trust.held import read_all_held
from live.trust.record import Recorded, recorded_trust
from live.trust.waiting import Held, wait_until_clear
from topology import Mesh, MeshConfigError, Problem
from topology.given_trust import GivenTrust
from topology.root_rotation import Stage, stage_of
from topology.trust_set import TrustSet, declared_set

KEY = "spanmesh:mesh.trust"
STAGE_KEY = f"{KEY}.rotation.stage"
# kubelet brings `cacerts` to istiod within about 90 s, and proxies have what follows from it within 15 s more.
PATIENCE_SECONDS = 180
IN_STEPS = (
    f"Go one stage at a time, each with `pulumi up`: `trust.rotation.stage` {Stage.BOTH_TRUSTED}, {Stage.NEW_SIGNS}, "
    f"{Stage.NEW_ONLY}, then without `rotation`; back likewise. `spanmesh rotate root` does it"
)
STRANGE = (
    "The stack's state is lost or older than they are, or another installer made their Istio. `spanmesh rescue` keeps "
    "their root: it writes what their Secrets cacerts hold into the stack file. Run `pulumi up` then, and `spanmesh "
    "rotate root` for a root of the mesh's own"
)
STRANGE_ALONE = (
    "Have that root sign an intermediate for each of them, and give root and intermediates in the stack file: "
    "docs/takeover.md has the commands"
)
STRANGE_AMONG_OTHERS = (
    "A cluster joins the mesh once its proxies trust the mesh's root, or while it runs none: docs/takeover.md"
)
LATER = (
    "Proxies get roots and certificates by themselves, within two minutes after the stage before: run `pulumi up` "
    "again. What does not answer or will not change has to be put right first"
)


@dataclass(frozen=True)
class Change:
    """A change of trust that is declared.

    Attributes:
        wanted: the roots that are declared.
        last: those that the last update declared; None: not known.
        made: fingerprints of the roots that Pulumi has made.
    """

    wanted: TrustSet
    last: TrustSet | None
    made: frozenset[str] = frozenset()

    @property
    def in_vain(self) -> bool:
        """Whether no waiting helps: a stage is left out, and nobody is being told to trust what is to sign."""
        if None in self.wanted.signs:
            return True
        return self.last is not None and bool(
            self.wanted.signs - self.last.trusted or self.last.signs - self.wanted.trusted
        )

    def obstacles(self, held: Held) -> list[Obstacle]:
        """What stands against it."""
        return list(obstacles(self.wanted, held))

    @property
    def known(self) -> frozenset[str | None]:
        """The roots that the stack file or the stack's state has."""
        return self.wanted.trusted | self.made | (self.last.trusted if self.last else frozenset())

    def strange(self, held: Held) -> Mapping[str, Stands]:
        """The clusters that stand under a root which neither of the two has."""
        return {cluster: each for cluster, each in stands(held).items() if each.roots.keys() - self.known}

    def unknown_roots(self, each: Stands) -> str:
        """Those of one of them, for people."""
        unknown = {one: root for one, root in each.roots.items() if one not in self.known}
        return " and ".join(f"the root {root.subject} (SHA-256 {one})" for one, root in unknown.items())


def guard_trust(mesh: Mesh, given: GivenTrust, accesses: Mapping[str, ClusterAccess]) -> None:
    """Stop where the declared trust differs from the recorded one, and some proxy or istiod is not ready for it.

    Where nothing changes, no cluster is asked but those that join the mesh: proxies of another Istio may run there. A
    preview warns; an update waits for what comes by itself, and refuses then. A cluster that does not answer refuses
    the change, whatever `skipUpdateUnreachable` says: nobody can tell what its proxies trust.

    Args:
        mesh: the declared mesh.
        given: the roots that are provided.
        accesses: every cluster of the mesh, by Istio's name.

    Raises:
        MeshConfigError: with what is missing, and where.
    """
    try:
        recorded = recorded_trust(mesh.trust, pulumi.get_stack())
    except UnreadableStateError as error:
        cause = f"whether the roots change cannot be told, for the stack's state cannot be read: {error}"
        problem = Problem(KEY, cause, "See whether `pulumi stack export` works")
        if not pulumi.runtime.is_dry_run():
            raise MeshConfigError([problem]) from error
        pulumi.log.warn(str(problem))
        return
    wanted = declared_set(mesh.trust, given, recorded.made)
    change = Change(wanted, recorded.last, frozenset(recorded.made.values()))
    if wanted == recorded.last and not (accesses := _joining(recorded, accesses)):
        return
    if pulumi.runtime.is_dry_run():
        _forewarn(mesh, change, read_all_held(accesses))
        return
    patience = 0 if change.in_vain else PATIENCE_SECONDS
    waited = wait_until_clear(accesses, change.obstacles, patience, _say)
    if waited.left:
        raise MeshConfigError([_problem(mesh, change, waited.left, waited.held)])


def _joining(recorded: Recorded, accesses: Mapping[str, ClusterAccess]) -> dict[str, ClusterAccess]:
    """The clusters that answer, and to which the last update gave no trust yet."""
    known = accesses.keys() if recorded.clusters is None else recorded.clusters
    joining = {name: access for name, access in accesses.items() if name not in known}
    held = read_all_held(joining) if joining else {}
    return {name: joining[name] for name, each in held.items() if not isinstance(each, Unknown)}


def _forewarn(mesh: Mesh, change: Change, held: Held) -> None:
    if change.last is None:
        # A mesh that is not there yet is previewed where its clusters may be out of reach; preflight says of those.
        held = {cluster: each for cluster, each in held.items() if not isinstance(each, Unknown)}
    if found := change.obstacles(held):
        what = "refuse this" if change.in_vain else "wait"
        pulumi.log.warn(f"an update would {what}: {_problem(mesh, change, found, held)}")


def _say(for_whom: str) -> None:
    pulumi.log.info(f"before the roots change: {for_whom}")


def _problem(mesh: Mesh, change: Change, found: Sequence[Obstacle], held: Held) -> Problem:
    key = STAGE_KEY if stage_of(mesh.trust) is not Stage.OLD else KEY
    if not (strange := change.strange(held)):
        cause = f"the roots cannot change yet: {'; '.join(told(found))}"
        return Problem(key, cause, IN_STEPS if change.in_vain else LATER)
    causes = [f"{cluster} runs under {change.unknown_roots(each)}" for cluster, each in strange.items()]
    others = told(each for each in found if each.cluster not in strange)
    cause = f"{', '.join(causes)}, which neither the stack file nor the stack's state has{'; '.join(['', *others])}"
    return Problem(key, cause, _cure_of(change, strange, stands(held)))


def _cure_of(change: Change, strange: Mapping[str, Stands], every: Mapping[str, Stands]) -> str:
    signing = {one for each in every.values() for one in each.roots}
    apart = any(not signing <= each.trusted for each in every.values())
    if apart or (change.last is not None and None not in change.wanted.signs):
        return STRANGE_AMONG_OTHERS
    return STRANGE_ALONE if any(each.alone for each in strange.values()) else STRANGE
