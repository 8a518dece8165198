"""The SVG of a mesh: networks as boxes, clusters as cards, gateways on the boxes' borders, links in the streets."""

from topology.diagrams.caption import facts_of, shortened, text_width
from topology.diagrams.layout import CHIP_HEIGHT, CHIP_WIDTH, MANY, MARGIN, Box, Card, Layout, layout
from topology.diagrams.paper import Paper
from topology.diagrams.pattern import Pattern, pattern
from topology.diagrams.streets import draw_links, way_of
from topology.diagrams.style import style
from topology.facts import networks
from topology.model import Mesh

EAST_WEST_PORT = 15443
LISTED_PAIRS = 40


def to_svg(mesh: Mesh) -> str:
    """The mesh as one self-contained SVG document: no scripts, no fonts or images from elsewhere, light and dark."""
    shape, plan = pattern(mesh), layout(mesh)
    paper = Paper(f"Mesh {mesh.id}: {_counts(mesh)}", _description(mesh, shape), style())
    paper.text("ink", (MARGIN, 40), f"Mesh {mesh.id}", size=21, weight=600)
    paper.text("muted", (MARGIN, 62), _subtitle(mesh, shape), size=13)
    for box in plan.boxes:
        _network(paper, box)
    right, bottom = draw_links(paper, shape, plan)
    needed = {name for pair in shape.crossing for name in (pair.first.name, pair.second.name)}
    for box in plan.boxes:
        for card in box.cards:
            _cluster(paper, mesh, card, hub=card.cluster.name in shape.hubs)
            if card.cluster.name in needed:
                _gateway(paper, card)
    right = max(right, 2 * MARGIN + text_width(_subtitle(mesh, shape), 13))
    bottom = _legend(paper, shape, plan, bottom + 40, right)
    return paper.document(right, bottom + MARGIN)


def _counts(mesh: Mesh) -> str:
    clusters, nets = len(mesh.clusters), len(networks(mesh))
    return f"{clusters} cluster{'s' * (clusters > 1)} on {nets} network{'s' * (nets > 1)}"


def _subtitle(mesh: Mesh, shape: Pattern) -> str:
    return "; ".join(text for text in (_counts(mesh), shape.sentence()) if text)


def _description(mesh: Mesh, shape: Pattern) -> str:
    sentences = [f"{_subtitle(mesh, shape)}."]
    for network, clusters in networks(mesh).items():
        places = (f"{c.name} ({c.region})" if c.region else c.name for c in clusters)
        sentences.append(f"Network {network}: {', '.join(places)}.")
    flat = [pair for pairs in shape.flat.values() for pair in pairs]
    if len(flat) + len(shape.crossing) <= LISTED_PAIRS:
        for pairs, how in ((flat, "pods reach each other directly"), (shape.crossing, "through east-west gateways")):
            for pair in pairs:
                verb = "and" if pair.forward and pair.backward else "reads"
                names = [pair.first.name, pair.second.name] if pair.forward else [pair.second.name, pair.first.name]
                sentences.append(f"{names[0]} {verb} {names[1]}: {how}.")
    return " ".join(sentences)


def _network(paper: Paper, box: Box) -> None:
    paper.rect("network", (box.x, box.y, box.width, box.height), radius=12)
    paper.text(
        "ink", (box.x + 16, box.y + 25), shortened(box.name, 14, box.width - 110, bold=True), size=14, weight=600
    )
    if len(box.cards) > 1:
        count = f"{len(box.cards)} clusters"
        paper.text("muted", (box.x + box.width - 16, box.y + 25), count, size=12, anchor="end")


def _cluster(paper: Paper, mesh: Mesh, card: Card, hub: bool) -> None:
    where, what = facts_of(mesh, card.cluster)
    room = card.width - 28
    with paper.group(" · ".join(text for text in (card.cluster.name, where, what) if text)):
        paper.rect("card", (card.x, card.y, card.width, card.height), radius=8)
        left, y = card.x + 14, card.y + 22
        paper.text("ink", (left, y), shortened(card.cluster.name, 14, room, bold=True), size=14, weight=600)
        if hub:
            paper.rect("hub", (card.x + card.width - 46, card.y + 9, 34, 17), radius=8.5)
            middle = (card.x + card.width - 29, card.y + 21.5)
            paper.text("hub-ink", middle, "hub", size=11, weight=600, anchor="middle")
        small = len(mesh.clusters) > MANY
        for number, line in enumerate([where or what] if small else [text for text in (where, what) if text]):
            paper.text("muted", (left, y + 18 * (number + 1)), shortened(line, 12, room), size=12)


def _gateway(paper: Paper, card: Card) -> None:
    near = card.x + card.width if card.side == "left" else card.x
    left = card.border - CHIP_WIDTH / 2
    edge = left if card.side == "left" else left + CHIP_WIDTH
    paper.path("wire", f"M{near:g} {card.middle:g}H{edge:g}", 1.6)
    with paper.group(f"East-west gateway of {card.cluster.name}: port {EAST_WEST_PORT}, mutual TLS"):
        paper.rect("gateway", (left, card.middle - CHIP_HEIGHT / 2, CHIP_WIDTH, CHIP_HEIGHT), radius=8)
        paper.text("gateway-ink", (card.border, card.middle - 2), "gateway", size=11.5, weight=600, anchor="middle")
        port = f":{EAST_WEST_PORT}"
        paper.text("gateway-ink", (card.border, card.middle + 12), port, size=11, anchor="middle")


def _legend(paper: Paper, shape: Pattern, plan: Layout, y: float, width: float) -> float:
    """One line for each kind of mark that was drawn; returns the lower end."""
    way = way_of(shape, plan)
    crossing = {
        "curves": "from who reads to who is read: requests enter through that one's east-west gateway, mutual TLS",
        "band": "requests from one network to another enter through the called cluster's east-west gateway, mutual TLS",
        "lines": "a line for each hub; a dot: that cluster and the hub reach each other, through east-west gateways",
        "grid": "the row's cluster reaches the column's through that one's east-west gateway, mutual TLS",
    }
    if way in crossing and shape.crossing:
        if way == "lines":
            paper.path("line0", f"M{MARGIN} {y - 4}H{MARGIN + 28}", 5)
            paper.circle("station", (MARGIN + 14, y - 4), 4.5)
            paper.circle("station line0", (MARGIN + 14, y - 4), 4.5, 3)
        elif way == "grid":
            paper.rect("cross-fill", (MARGIN + 8, y - 11, 13, 13), radius=2)
        else:
            paper.path("cross", f"M{MARGIN} {y - 4}H{MARGIN + 20}", 2.2)
            paper.head("cross-fill", (MARGIN + 28, y - 4), 1)
        y = _legend_text(paper, y, crossing[way])
    if shape.flat:
        if way == "grid":
            paper.circle("flat-fill", (MARGIN + 14, y - 4), 6.5)
        else:
            paper.path("flat", f"M{MARGIN} {y - 4}H{MARGIN + 28}", 3)
        y = _legend_text(paper, y, "same network: pods reach each other directly, by their own addresses")
    return y - 22


def _legend_text(paper: Paper, y: float, text: str) -> float:
    paper.text("muted", (MARGIN + 40, y), text, size=12)
    return y + 22
