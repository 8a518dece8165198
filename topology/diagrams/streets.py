"""How links are drawn: as curves where there are few, otherwise so that their number makes no tangle.

A full mesh becomes one band that every gateway joins; each hub becomes a line of its own with a dot for each cluster
that it reads and is read by; any other large list becomes a grid of reader by peer.
"""

from typing import Literal

from topology.diagrams.caption import text_width
from topology.diagrams.layout import MARGIN, STREET_WIDTH, Box, Card, Layout
from topology.diagrams.paper import Paper
from topology.diagrams.pattern import Pair, Pattern
from topology.diagrams.style import HUB_LINES

Way = Literal["none", "curves", "band", "lines", "grid"]

MAX_CURVES = 6
MAX_FLAT_ARCS = 6
BAND_WIDTH = 40
LINE_GAP = 16
GRID_CELL = 15


def way_of(shape: Pattern, plan: Layout) -> Way:
    """How the links between networks are drawn."""
    if not shape.full and any(len(p) > MAX_FLAT_ARCS and not _complete(p) for p in shape.flat.values()):
        return "grid"
    if not shape.crossing:
        return "none"
    if len(shape.crossing) <= MAX_CURVES and len(plan.streets) == 1:
        return "curves"
    if shape.full:
        return "band"
    return "lines" if 0 < len(shape.hubs) <= HUB_LINES else "grid"


def draw_links(paper: Paper, shape: Pattern, plan: Layout) -> tuple[float, float]:
    """Draw every link.

    Returns:
        Right and lower end of what was drawn.
    """
    way = way_of(shape, plan)
    if way == "grid":
        return _grid(paper, shape, plan)
    if way == "band":
        _band(paper, shape, plan)
    elif way == "lines":
        _lines(paper, shape, plan)
    else:
        for pair in shape.crossing:
            _curve(paper, plan.card(pair.first.name), plan.card(pair.second.name), pair)
    for box in plan.boxes:
        _inside(paper, box, shape)
    return plan.width, plan.bottom


def _curve(paper: Paper, first: Card, second: Card, pair: Pair) -> None:
    start, end = _at(first), _at(second)
    out, back = _outward(first), _outward(second)
    if first.side == second.side:
        reach = min(STREET_WIDTH * 0.62, 34 + abs(end[1] - start[1]) * 0.3)
    else:
        reach = STREET_WIDTH * 0.35
    tail, tip = start[0] + 9 * out * pair.backward, end[0] + 9 * back * pair.forward
    with paper.group(_says(pair)):
        bends = (tail + reach * out, tip + reach * back)
        paper.path("cross", _curved((tail, start[1]), bends, (tip, end[1])), 2.2)
        if pair.forward:
            paper.head("cross-fill", end, -back)
        if pair.backward:
            paper.head("cross-fill", start, -out)


def _curved(start: tuple[float, float], bends: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve that leaves and arrives level."""
    return f"M{start[0]:g} {start[1]:g}C{bends[0]:g} {start[1]:g} {bends[1]:g} {end[1]:g} {end[0]:g} {end[1]:g}"


def _at(card: Card) -> tuple[float, float]:
    return card.port + 3 * _outward(card), card.middle


def _outward(card: Card) -> int:
    return 1 if card.side == "left" else -1


def _says(pair: Pair) -> str:
    first, second = pair.first.name, pair.second.name
    if pair.forward and pair.backward:
        return f"{first} and {second} read each other"
    return f"{first} reads {second}" if pair.forward else f"{second} reads {first}"


def _street(plan: Layout, card: Card) -> float:
    return min(plan.streets, key=lambda x: abs(x - card.port))


def _street_ends(plan: Layout, street: float) -> tuple[float, float]:
    middles = [card.middle for box in plan.boxes for card in box.cards if abs(card.port - street) < STREET_WIDTH]
    return (plan.top if len(plan.streets) > 1 else min(middles)), max(middles)


def _track(plan: Layout, shift: float) -> str:
    """The streets' centre lines, each moved right and the joining piece moved down by ``shift``."""
    ends = [(x + shift, *_street_ends(plan, x)) for x in plan.streets]
    data = "".join(f"M{x:g} {top + (shift if len(ends) > 1 else 0):g}V{bottom:g}" for x, top, bottom in ends)
    return data + (f"M{ends[0][0]:g} {plan.top + shift:g}H{ends[-1][0]:g}" if len(ends) > 1 else "")


def _band(paper: Paper, shape: Pattern, plan: Layout) -> None:
    paper.path("band", _track(plan, 0), BAND_WIDTH)
    words = "every cluster reads every other"
    for street in plan.streets:
        top, bottom = _street_ends(plan, street)
        if bottom - top > 300:
            paper.text("ink", (street + 4.5, (top + bottom) / 2), words, size=13, anchor="middle", turned=True)
    for card in (card for box in plan.boxes for card in box.cards):
        if card.cluster.name in shape.apart:
            continue
        street, out = _street(plan, card), _outward(card)
        start = _at(card)
        end = street - out * (BAND_WIDTH / 2 - 1)
        paper.path("cross", f"M{start[0] + 9 * out:g} {card.middle:g}H{end - 9 * out:g}", 2.2)
        paper.head("cross-fill", start, -out)
        paper.head("cross-fill", (end, card.middle), out)


def _lines(paper: Paper, shape: Pattern, plan: Layout) -> None:
    shifts = [(n - (len(shape.hubs) - 1) / 2) * LINE_GAP for n in range(len(shape.hubs))]
    reads = {frozenset((pair.first.name, pair.second.name)) for pair in shape.crossing}
    for number, shift in enumerate(shifts):
        paper.path(f"line{number}", _track(plan, shift), 5)
    for card in (card for box in plan.boxes for card in box.cards):
        name, out = card.cluster.name, _outward(card)
        stops = [n for n, hub in enumerate(shape.hubs) if hub == name or frozenset((hub, name)) in reads]
        if not stops:
            continue
        street = _street(plan, card)
        # The gateways of the two sides keep wires of their own.
        y = card.middle - 5 * out
        at = {n: street + shifts[n] for n in stops}
        own = [n for n in stops if shape.hubs[n] == name]
        far = max(at.values()) if out > 0 else min(at.values())
        paper.path("wire", f"M{card.port:g} {y:g}H{far:g}", 1.6)
        for n in stops:
            paper.circle("station", (at[n], y), 7 if n in own else 4.5)
            paper.circle(f"station line{n}", (at[n], y), 7 if n in own else 4.5, 3)
        if own:
            paper.path(f"line{own[0]}", f"M{card.port:g} {y:g}H{at[own[0]] - 7 * out:g}", 5)


def _inside(paper: Paper, box: Box, shape: Pattern) -> None:
    """The links within one network, at the side away from the street."""
    pairs = shape.flat.get(box.name, ())
    cards = {card.cluster.name: card for card in box.cards}
    if len(box.cards) > 1 and _complete(pairs) and len(_names(pairs)) == len(box.cards):
        first, last = box.cards[0], box.cards[-1]
        x = first.back - 12 * _outward(first)
        paper.path("flat", f"M{x:g} {first.middle:g}V{last.middle:g}", 3)
        for card in box.cards:
            paper.path("flat", f"M{x:g} {card.middle:g}H{card.back:g}", 3)
            paper.circle("flat-fill", (x, card.middle), 4)
        return
    for pair in pairs:
        first, last = cards[pair.first.name], cards[pair.second.name]
        out = -_outward(first)
        start, end = (first.back, first.middle + 6), (last.back, last.middle - 6)
        with paper.group(_says(pair)):
            bend = start[0] + 22 * out
            paper.path(
                "flat",
                f"M{start[0]:g} {start[1]:g}C{bend:g} {start[1]:g} {bend:g} {end[1]:g} {end[0]:g} {end[1]:g}",
                2.4,
            )
            if pair.forward:
                paper.head("flat-fill", end, -out)
            if pair.backward:
                paper.head("flat-fill", start, -out)


def _complete(pairs: tuple[Pair, ...]) -> bool:
    count = len(_names(pairs))
    return all(p.forward and p.backward for p in pairs) and len(pairs) == count * (count - 1) // 2


def _names(pairs: tuple[Pair, ...]) -> set[str]:
    return {name for pair in pairs for name in (pair.first.name, pair.second.name)}


def _grid(paper: Paper, shape: Pattern, plan: Layout) -> tuple[float, float]:
    """Rows are readers, columns are peers."""
    names = [card.cluster.name for box in plan.boxes for card in box.cards]
    kinds = _kinds(shape)
    room = max(text_width(name, 11) for name in names) + 10
    left, top = MARGIN + room, plan.bottom + 66 + room
    head = "Who reads whom: readers from above to below, peers from left to right"
    paper.text("ink", (MARGIN, plan.bottom + 44), head, size=14, weight=600)
    for column, name in enumerate(names):
        paper.text("muted", (left + (column + 1) * GRID_CELL - 4, top - 6), name, size=11, turned=True)
    for row, reader in enumerate(names):
        y = top + row * GRID_CELL
        paper.text("muted", (left - 6, y + GRID_CELL - 4), reader, size=11, anchor="end")
        for column, peer in enumerate(names):
            if reader != peer:
                at = (left + column * GRID_CELL + 1, y + 1)
                _cell(paper, at, kinds.get((reader, peer)), f"{reader} reads {peer}")
    return max(plan.width, left + len(names) * GRID_CELL + MARGIN), top + len(names) * GRID_CELL


def _kinds(shape: Pattern) -> dict[tuple[str, str], str]:
    """How each reader reaches each peer: the class of the mark."""
    kinds = {}
    for css, pairs in (("cross-fill", shape.crossing), *(("flat-fill", found) for found in shape.flat.values())):
        for pair in pairs:
            if pair.forward:
                kinds[pair.first.name, pair.second.name] = css
            if pair.backward:
                kinds[pair.second.name, pair.first.name] = css
    return kinds


def _cell(paper: Paper, at: tuple[float, float], css: str | None, says: str) -> None:
    size = GRID_CELL - 2
    if css is None:
        paper.rect("empty", (*at, size, size), radius=2)
        return
    with paper.group(says):
        if css == "flat-fill":  # told apart by form too, not by colour alone
            paper.circle(css, (at[0] + size / 2, at[1] + size / 2), size / 2)
        else:
            paper.rect(css, (*at, size, size), radius=2)
