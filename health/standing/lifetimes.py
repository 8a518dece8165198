"""How long the certificates of a cluster, and the tokens by which it reads others, still hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from health.check import State
from health.observed import ObservedCluster, Trust, Unknown
from health.standing.part import ClusterStanding, Part, worst
from health.standing.rotation import live_stage
from topology import model
from topology.root_rotation import Stage, stage_of

NOTICE = timedelta(days=60)


@dataclass(frozen=True)
class _Held:
    """Something that ends.

    Attributes:
        what: ``root``, ``intermediate``, ``istiod``, ``token for cluster2`` or ``kubeconfig``.
        subject: of the certificate; empty: it is a token.
        begins: when its time begins; None: it is a token.
        ends: when its time ends.
        notice: how long before that it is a warning.
    """

    what: str
    subject: str
    begins: datetime | None
    ends: datetime
    notice: timedelta = NOTICE


def certificates(cluster: ObservedCluster, now: datetime, trust: model.Trust) -> Part:
    """Days that root, intermediate, istiod's own certificate and the tokens have left, and how far a rotation is.

    Args:
        cluster: what was seen of it.
        now: when it was seen.
        trust: as it is declared, with the stage of the root's replacement.
    """
    told = [(each, *_state(each, now)) for each in _held(cluster)]
    untold = (cluster.trust.reason,) if isinstance(cluster.trust, Unknown) else ()
    # Of several of a kind, as while a root is replaced, the one that ends first.
    first: dict[str, int] = {}
    for each in sorted((each for each, _, _ in told), key=lambda each: each.ends):
        first.setdefault(each.what, days_left(each.ends, now))
    stage = None if isinstance(cluster.trust, Unknown) else live_stage(cluster.trust, trust)
    behind = _behind(cluster, stage, stage_of(trust))
    states = [state for _, state, _ in told] + ([State.SKIPPED] if untold else [])
    days = [f"{what} {left} d" for what, left in first.items()]
    return Part(
        "certificates",
        worst([*states, State.WARNING] if behind else states),
        ", ".join([*([f"rotation {stage}"] if stage and stage is not Stage.OLD else []), *days]) or "unknown",
        (*(reason for _, _, reason in told if reason), *behind, *untold),
        {
            "rotation": stage,
            "lifetimes": [
                {
                    "what": each.what,
                    "subject": each.subject or None,
                    "ends": each.ends.isoformat(),
                    "daysLeft": days_left(each.ends, now),
                }
                for each, _, _ in told
            ],
        },
    )


def _behind(cluster: ObservedCluster, stage: Stage | None, declared: Stage) -> list[str]:
    if isinstance(cluster.trust, Unknown) or stage is declared or (stage is None and declared is Stage.OLD):
        return []
    said = f"its root's replacement is at stage {stage}" if stage else "its roots are those of no stage"
    return [f"{said}, {declared} is declared: `spanmesh rotate root` goes on with it"]


@dataclass(frozen=True)
class Expiry:
    """Something of the mesh that ends.

    Attributes:
        what: ``root``, ``intermediate``, ``istiod``, ``token for cluster2`` or ``kubeconfig``.
        cluster: whose; empty: of all clusters.
        ends: when.
        days_left: whole days until then; negative: days since.
    """

    what: str
    cluster: str
    ends: datetime
    days_left: int


def expiries(clusters: Iterable[ClusterStanding]) -> list[Expiry]:
    """Everything that ends, the first to end first; a root that several clusters trust once.

    Args:
        clusters: how each stands.
    """
    found: dict[tuple[str, ...], Expiry] = {}
    for each in clusters:
        for one in each.part("certificates").facts.get("lifetimes", ()):
            shared = one["what"] == "root"
            expiry = Expiry(
                f"root ({one['subject']})" if shared else one["what"],
                "" if shared else each.cluster,
                datetime.fromisoformat(one["ends"]),
                one["daysLeft"],
            )
            found.setdefault((expiry.what, expiry.cluster, one["ends"]), expiry)
    return sorted(found.values(), key=lambda one: (one.ends, one.cluster, one.what))


def days_left(ends: datetime, now: datetime) -> int:
    """Whole days until then; negative: days since."""
    return (ends - now).days


def _state(held: _Held, now: datetime) -> tuple[State, str]:
    name = f"{held.what} ({held.subject})" if held.subject else held.what
    if held.begins and held.begins > now:
        return State.FAILED, f"{name} is not valid before {held.begins:%Y-%m-%dT%H:%M:%SZ}"
    if held.ends <= now:
        return State.FAILED, f"{name} has expired, at {held.ends:%Y-%m-%dT%H:%M:%SZ}"
    if held.ends - now <= held.notice:
        return State.WARNING, f"{name} ends in {days_left(held.ends, now)} days, at {held.ends:%Y-%m-%dT%H:%M:%SZ}"
    return State.OK, ""


def _held(cluster: ObservedCluster) -> Iterator[_Held]:
    if not isinstance(cluster.trust, Unknown):
        yield from _of_trust(cluster.trust)
    if not isinstance(cluster.remote, Unknown):
        for kubeconfig in cluster.remote:
            if kubeconfig.expires:
                yield _Held(f"token for {kubeconfig.cluster}", "", None, kubeconfig.expires)
    if not isinstance(cluster.readers, Unknown):
        for reader in cluster.readers:
            if reader.expires:
                yield _Held(f"token of {reader.cluster}", "", None, reader.expires)
    if cluster.credentials:
        # Whoever gives it out may well do so anew every day.
        yield _Held("kubeconfig", "", None, cluster.credentials, notice=timedelta())


def _of_trust(trust: Trust) -> Iterator[_Held]:
    roots = {each.fingerprint for each in trust.roots}
    for each in trust.roots:
        yield _Held("root", each.subject, each.not_before, each.not_after)
    for place, each in enumerate(trust.chain):
        if each.fingerprint not in roots:
            yield _Held("istiod" if place == 0 else "intermediate", each.subject, each.not_before, each.not_after)
