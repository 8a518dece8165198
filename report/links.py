"""Links of a mesh as they are drawn in the report: an arrow for each direction, or one band where they are many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from health.check import State
from health.matrix import Cell, Matrix, Row
from health.observed import Unknown
from report.verdicts import Places, worst
from topology.diagrams.layout import Card, Layout
from topology.diagrams.pattern import Pair, Pattern

MOST_CURVES = 3  # pairs of clusters; more are drawn as a band
MOST_ARROWS = 4  # over the band
MANY = 3  # troubled links of one cluster are told at its gateway
STREET = 290  # width between the networks
APART = 11  # between a curve and the gateways' centre line
HEAD = 10


@dataclass(frozen=True)
class Label:
    """A text around a point, by SVG user units; with the colour of a state."""

    x: float
    y: float
    text: str
    state: State | None = None


@dataclass(frozen=True)
class Arrow:
    """Requests from one cluster to another; lengths in SVG user units.

    Attributes:
        path: SVG path data of the line.
        head: likewise of the arrow head; empty: it has none.
        width: of the line.
        state: what the checks say; None: nothing.
        title: the whole of it in words.
        label: what stands beside it.
    """

    path: str
    head: str
    width: float
    state: State | None
    title: str
    label: Label | None


class Links:
    """What the checks and the traffic say of each link.

    Attributes:
        troubles: clusters of which many links are troubled, with the direction ``in`` or ``out``, and those links.

    Args:
        places: what the checks say of each pair.
        matrix: the traffic; Unknown: none was sent.
        pairs: client and server of every link across networks.
    """

    def __init__(self, places: Places, matrix: Matrix | Unknown, pairs: Sequence[tuple[str, str]]) -> None:
        self._places = places
        self._matrix: Matrix = {} if isinstance(matrix, Unknown) else matrix
        self._pairs = pairs
        self.troubles = self._many_troubles()

    @property
    def clients(self) -> tuple[str, ...]:
        """Clusters whose clients sent requests."""
        return tuple(self._matrix)

    def row(self, client: str) -> Row | None:
        """What the client of this cluster got; None where it sent nothing."""
        row = self._matrix.get(client)
        return row if row is not None and row.sent else None

    def share(self, client: str, server: str) -> float | None:
        """Share of the client's requests that the other cluster answered; None where none were sent."""
        row = self.row(client)
        return row.cells.get(server, Cell()).answers / row.sent if row else None

    def outward(self, client: str) -> float | None:
        """Share of the client's requests that any other cluster answered; None where none were sent."""
        row = self.row(client)
        return sum(cell.answers for name, cell in row.cells.items() if name != client) / row.sent if row else None

    def state(self, client: str, server: str) -> State | None:
        """What the checks say of the way from one to the other."""
        return self._places.state(client, server)

    def arrow(self, first: Card, second: Card, *, lower: bool) -> Arrow:
        """An arrow from the gateway of ``first`` to that of ``second``; below the centre lines, or above them."""
        client, server = first.cluster.name, second.cluster.name
        width = 1.5 + 4 * (self.share(client, server) or 0)
        drawn = _curve(first, second, lower)
        text = self._label(client, server)
        at = drawn.middle[0], drawn.middle[1] + (width / 2 + 13 if lower else -width / 2 - 5)
        return Arrow(
            drawn.path,
            drawn.head,
            width,
            self.state(client, server),
            self.title(client, server),
            Label(*at, text, self.state(client, server)) if text else None,
        )

    def title(self, client: str, server: str) -> str:
        """The link in words."""
        share, state, codes = self.share(client, server), self.state(client, server), self._codes(client, server)
        words = f"{client} to {server}: {state or 'not checked'}"
        if codes:
            words += f" ({', '.join(codes)})"
        if share is not None:
            words += f", {share:.0%} of the requests of {client}"
        if cell := self._cell(client, server):
            words += f", p50 {cell.quantile(0.5):.1f} ms, p99 {cell.quantile(0.99):.1f} ms"
        return words

    def _cell(self, client: str, server: str) -> Cell | None:
        row = self.row(client)
        cell = row.cells.get(server) if row else None
        return cell if cell and cell.answers else None

    def _codes(self, client: str, server: str) -> tuple[str, ...]:
        return self._places.codes(client, server)

    def _label(self, client: str, server: str) -> str:
        codes, share = self._codes(client, server), self.share(client, server)
        cell = self._cell(client, server)
        parts = [f"{share:.0%}"] if share is not None else []
        if codes:
            parts.append(codes[0])
        elif cell:
            parts.append(f"{cell.quantile(0.5):.0f} ms")
        return " · ".join(parts)

    def between(self, shape: Pattern, plan: Layout) -> Iterator[Arrow]:
        """Arrows across the networks: all of them where they are few, else those that are not all right."""
        pairs = self._pairs
        if len(plan.streets) > 1:
            return
        if banded(shape, plan):
            pairs = self._single()
        order = [card.cluster.name for box in plan.boxes for card in box.cards]
        for client, server in pairs:
            yield self.arrow(plan.card(client), plan.card(server), lower=order.index(client) > order.index(server))

    def _single(self) -> list[tuple[str, str]]:
        """Troubled pairs that are not told at a gateway."""
        told = self.troubles
        left = [p for p in self._pairs if self._troubled(*p) and not {(p[1], "in"), (p[0], "out")} & set(told)]
        return left[:MOST_ARROWS]

    def _many_troubles(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        troubled = [pair for pair in self._pairs if self._troubled(*pair)]
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for way, end in (("in", 1), ("out", 0)):
            by_cluster: dict[str, list[tuple[str, str]]] = {}
            for pair in troubled:
                by_cluster.setdefault(pair[end], []).append(pair)
            found |= {(name, way): of for name, of in by_cluster.items() if len(of) >= MANY}
            troubled = [pair for pair in troubled if (pair[end], way) not in found]
        return found

    def _troubled(self, client: str, server: str) -> bool:
        return self.state(client, server) in (State.FAILED, State.WARNING)

    def inside(self, shape: Pattern, plan: Layout) -> Iterator[Arrow]:
        """A line for the clusters of each network that reach each other's pods directly."""
        for network, pairs in shape.flat.items():
            cards = [card for box in plan.boxes if box.name == network for card in box.cards]
            both = list(directions(pairs))
            cards = [card for card in cards if any(card.cluster.name in each for each in both)]
            out = -1 if cards[0].side == "left" else 1
            x, top, bottom = cards[0].back + 12 * out, cards[0].middle, cards[-1].middle
            stubs = "".join(f"M{x:g} {card.middle:g}H{card.back:g}" for card in cards)
            title = "; ".join(self.title(*each) for each in both[:20]) + ("; …" if len(both) > 20 else "")
            state = worst(state for each in both if (state := self.state(*each)) is not None)
            yield Arrow(f"M{x:g} {top:g}V{bottom:g}{stubs}", "", 2.5, state, title, None)


def directions(pairs: tuple[Pair, ...]) -> Iterator[tuple[str, str]]:
    """Names of client and server for every direction that is linked."""
    for pair in pairs:
        if pair.forward:
            yield pair.first.name, pair.second.name
        if pair.backward:
            yield pair.second.name, pair.first.name


def banded(shape: Pattern, plan: Layout) -> bool:
    """Whether the links across networks are drawn as one band."""
    return len(shape.crossing) > MOST_CURVES or len(plan.streets) > 1


@dataclass(frozen=True)
class _Curve:
    path: str
    head: str
    middle: tuple[float, float]


def _curve(first: Card, second: Card, lower: bool) -> _Curve:
    """From gateway to gateway; it leaves and arrives level."""
    shift = APART if lower else -APART
    out, back = _outward(first), _outward(second)
    start = (first.port + 2 * out, first.middle + shift)
    end = (second.port + 2 * back, second.middle + shift)
    if first.side == second.side:
        reach = min(STREET * 0.55, 40 + abs(end[1] - start[1]) * 0.25) + (16 if lower else 0)
    else:
        reach = STREET * 0.35
    tip = end[0] + HEAD * back
    bends = (start[0] + reach * out, tip + reach * back)
    return _Curve(
        path=f"M{start[0]:g} {start[1]:g}C{bends[0]:g} {start[1]:g} {bends[1]:g} {end[1]:g} {tip:g} {end[1]:g}",
        head=f"M{end[0]:g} {end[1]:g}L{tip:g} {end[1] - 6:g}V{end[1] + 6:g}Z",
        middle=_on_curve(0.5 if abs(start[1] - end[1]) < 1 else 0.36, start, bends, (tip, end[1])),
    )


def _on_curve(
    t: float, start: tuple[float, float], bends: tuple[float, float], end: tuple[float, float]
) -> tuple[float, float]:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    xs, ys = (start[0], *bends, end[0]), (start[1], start[1], end[1], end[1])
    return (
        sum(weight * x for weight, x in zip(weights, xs, strict=True)),
        sum(weight * y for weight, y in zip(weights, ys, strict=True)),
    )


def _outward(card: Card) -> int:
    return 1 if card.side == "left" else -1
