"""Certificates and tokens by the time that is left to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from health.check import State
from health.observed import Certificate, Observed, RemoteKubeconfig, Trust, Unknown
from report.scale import Logarithmic, Tick

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
SOON = 30 * DAY
LABELS, RIGHT, TOP, ROW = 330, 900, 30, 22
_TICKS = (
    (HOUR, "1 h"),
    (DAY, "1 day"),
    (7 * DAY, "1 week"),
    (30 * DAY, "30 days"),
    (YEAR, "1 year"),
    (10 * YEAR, "10 years"),
)
LONGEST = 20 * YEAR


@dataclass(frozen=True)
class Lifetime:
    """One certificate or token.

    Attributes:
        kind: ``root``, ``intermediate``, ``istiod`` or ``token``.
        name: the certificate's subject; of a token, who reads whom.
        clusters: where it was seen.
        begins: when its time begins; None: not known.
        ends: when its time ends; None: it has no end of its own.
        left: what is left of it; None: no end.
        state: failed once it has ended, a warning within the last 30 days, where nothing renews it by itself.
        y: middle of its row in the picture, in SVG user units.
        x: where its bar ends.
    """

    kind: str
    name: str
    clusters: tuple[str, ...]
    begins: datetime | None
    ends: datetime | None
    left: timedelta | None
    state: State
    y: float
    x: float

    @property
    def words(self) -> str:
        """``412 days``, ``5 hours``, ``ended 3 days ago`` or ``no end``."""
        if self.left is None:
            return "no end"
        return span(self.left) if self.left > timedelta(0) else f"ended {span(-self.left)} ago"


@dataclass(frozen=True)
class Timeline:
    """All of them: roots, intermediates, istiod's own, tokens."""

    rows: tuple[Lifetime, ...]
    ticks: tuple[Tick, ...]
    height: float
    unknown: tuple[tuple[str, str], ...]


def span(length: timedelta) -> str:
    """A length of time in its greatest fitting unit."""
    for unit, size in (("day", DAY), ("hour", HOUR)):
        if length >= 2 * size:
            return f"{length // size:,} {unit}s".replace(",", "\u202f")
    return f"{max(0, int(length.total_seconds() // 60))} minutes"


def timeline(observed: Observed) -> Timeline:
    """Whatever of the mesh has a lifetime, and what could not be read, by cluster and reason."""
    scale = Logarithmic(HOUR.total_seconds(), LONGEST.total_seconds(), LABELS, RIGHT)
    rows = []
    for number, (kind, name, clusters, begins, ends) in enumerate(_entries(observed)):
        left = None if ends is None else ends - observed.at
        x = RIGHT if left is None else scale.x(max(left.total_seconds(), HOUR.total_seconds()))
        y = TOP + ROW * (number + 0.5)
        rows.append(Lifetime(kind, name, clusters, begins, ends, left, _state(kind, begins, left, observed.at), y, x))
    ticks = tuple(Tick(scale.x(length.total_seconds()), label) for length, label in _TICKS)
    return Timeline(tuple(rows), ticks, TOP + ROW * len(rows) + 8, tuple(_unknown(observed)))


def _state(kind: str, begins: datetime | None, left: timedelta | None, now: datetime) -> State:
    if (left is not None and left <= timedelta(0)) or (begins is not None and begins > now):
        return State.FAILED
    # istiod renews its own certificate.
    return State.WARNING if left is not None and left < SOON and kind != "istiod" else State.OK


_Entry = tuple[str, str, tuple[str, ...], datetime | None, datetime | None]


def _entries(observed: Observed) -> Iterator[_Entry]:
    trusts = {name: each.trust for name, each in observed.clusters.items() if isinstance(each.trust, Trust)}
    roots = {root.fingerprint: root for trust in trusts.values() for root in trust.roots}
    for fingerprint, root in roots.items():
        trusting = [name for name, trust in trusts.items() if fingerprint in {each.fingerprint for each in trust.roots}]
        yield _entry("root", root, *trusting)
    for name, trust in trusts.items():
        for issued in trust.chain[1:]:
            if issued.fingerprint not in roots and issued.subject != issued.issuer:
                yield _entry("intermediate", issued, name)
    for name, trust in trusts.items():
        for own in trust.chain[:1]:
            yield _entry("istiod", own, name)
    yield from _tokens(observed)


def _entry(kind: str, certificate: Certificate, *clusters: str) -> _Entry:
    return kind, certificate.subject, clusters, certificate.not_before, certificate.not_after


def _tokens(observed: Observed) -> Iterator[_Entry]:
    for name, each in observed.clusters.items():
        for held in () if isinstance(each.remote, Unknown) else each.remote:
            yield "token", f"{name} reads {held.cluster}", (name,), _made(observed, held), held.expires


def _made(observed: Observed, kubeconfig: RemoteKubeconfig) -> datetime | None:
    """When the token was made, as the cluster says that it leads to."""
    peer = observed.clusters.get(kubeconfig.cluster)
    if peer is None or isinstance(peer.readers, Unknown) or not kubeconfig.token:
        return None
    return next((reader.created for reader in peer.readers if reader.token == kubeconfig.token), None)


def _unknown(observed: Observed) -> Iterator[tuple[str, str]]:
    for name, each in observed.clusters.items():
        for fact in (each.trust, each.remote):
            if isinstance(fact, Unknown):
                yield name, fact.reason
