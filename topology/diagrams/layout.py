"""Where everything stands in the SVG: networks to the left and right of vertical streets, gateways facing the street.

All lengths are SVG user units (pixels at scale 1).
"""

from dataclasses import dataclass
from typing import Literal

from topology.diagrams.caption import facts_of, text_width
from topology.facts import networks
from topology.model import Cluster, Mesh

MARGIN = 28
TITLE_HEIGHT = 78
NETWORK_HEADER = 38
PADDING = 14
RAIL = 24  # room at the far side of a network box for the links inside of it
CHIP_WIDTH, CHIP_HEIGHT = 78, 34
CARD_GAP = 10
NETWORK_GAP = 20
STREET_WIDTH = 190
BLOCK_GAP = 36  # between two streets' blocks
MANY = 24  # clusters from which cards are small
TALLEST = 1300
WIDEST_TEXT = 420

Side = Literal["left", "right"]


@dataclass(frozen=True)
class Card:
    """One cluster: a card in the box of its network, and a gateway chip on that box's border."""

    cluster: Cluster
    x: float
    y: float
    width: float
    height: float
    side: Side
    border: float

    @property
    def middle(self) -> float:
        """Height of the card's centre line, on which its gateway stands."""
        return self.y + self.height / 2

    @property
    def port(self) -> float:
        """Where links leave the gateway, towards the street."""
        return self.border + (CHIP_WIDTH / 2 if self.side == "left" else -CHIP_WIDTH / 2)

    @property
    def back(self) -> float:
        """The card's edge away from the street."""
        return self.x if self.side == "left" else self.x + self.width


@dataclass(frozen=True)
class Box:
    """One network."""

    name: str
    x: float
    y: float
    width: float
    height: float
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Layout:
    """The whole picture, without its legend.

    Attributes:
        boxes: the networks.
        streets: the x of each street's centre line.
        top: where the streets begin; there the streets are joined.
        bottom: where the boxes end.
        width: of the picture.
    """

    boxes: tuple[Box, ...]
    streets: tuple[float, ...]
    top: float
    bottom: float
    width: float

    def card(self, name: str) -> Card:
        """The card of the cluster called ``name``."""
        return next(card for box in self.boxes for card in box.cards if card.cluster.name == name)


def layout(mesh: Mesh, narrowest: float = 176, street: float = STREET_WIDTH) -> Layout:
    """Networks into as many pairs of columns as keep the picture low, in the order of the file.

    Args:
        mesh: the mesh.
        narrowest: width that every card has at least.
        street: width of a street.
    """
    members = networks(mesh)
    card_height = 50.0 if len(mesh.clusters) > MANY else 70.0
    heights = {name: _box_height(len(clusters), card_height) for name, clusters in members.items()}
    alone = len(members) == 1
    columns = 1 if alone else 2 * max(1, round(sum(heights.values()) / 2 / TALLEST + 0.3))
    columns = min(columns, 2 * ((len(members) + 1) // 2))
    card_width = min(WIDEST_TEXT, max(narrowest, *(_text_room(mesh, cluster) for cluster in mesh.clusters)))
    box_width = RAIL + card_width + PADDING + CHIP_WIDTH / 2
    streets = max(1, columns // 2)
    top = TITLE_HEIGHT + (34 if streets > 1 else 0)
    bottoms = [float(top + (22 if streets > 1 else 6))] * columns
    block = 2 * box_width + street
    boxes = []
    for name, clusters in members.items():
        column = min(range(columns), key=lambda at: (bottoms[at], at))
        side: Side = "left" if column % 2 == 0 else "right"
        x = MARGIN + (column // 2) * (block + BLOCK_GAP) + (0 if side == "left" else box_width + street)
        boxes.append(_box(name, clusters, (x, bottoms[column]), (box_width, card_width, card_height), side))
        bottoms[column] += heights[name] + NETWORK_GAP
    width = 2 * MARGIN + (box_width + CHIP_WIDTH / 2 if alone else streets * block + (streets - 1) * BLOCK_GAP)
    return Layout(
        boxes=tuple(boxes),
        streets=() if alone else tuple(MARGIN + s * (block + BLOCK_GAP) + block / 2 for s in range(streets)),
        top=top,
        bottom=max(bottoms) - NETWORK_GAP,
        width=max(width, 640),
    )


def _box_height(clusters: int, card_height: float) -> float:
    return NETWORK_HEADER + clusters * card_height + (clusters - 1) * CARD_GAP + PADDING


def _box(
    name: str, clusters: list[Cluster], at: tuple[float, float], sizes: tuple[float, float, float], side: Side
) -> Box:
    (x, y), (box_width, card_width, card_height) = at, sizes
    card_x = x + RAIL if side == "left" else x + PADDING + CHIP_WIDTH / 2
    border = x + box_width if side == "left" else x
    cards = [
        Card(cluster, card_x, y + NETWORK_HEADER + n * (card_height + CARD_GAP), card_width, card_height, side, border)
        for n, cluster in enumerate(clusters)
    ]
    return Box(name, x, y, box_width, _box_height(len(clusters), card_height), tuple(cards))


def _text_room(mesh: Mesh, cluster: Cluster) -> float:
    where, what = facts_of(mesh, cluster)
    badge = 44  # a hub's
    return 28 + max(text_width(cluster.name, 14, bold=True) + badge, text_width(where, 12), text_width(what, 12))
