"""The picture of the mesh with what is live in it: layout by topology/diagrams, drawn by templates/picture.svg.j2."""

from dataclasses import dataclass

from health.check import State
from health.observed import EastWestGateway, Unknown
from report.contents import Contents
from report.links import STREET, Arrow, Label, Links, banded, directions
from report.remotes import Remotes, remotes_of
from report.verdicts import Places, worst
from topology.defaults import istio_of
from topology.diagrams.caption import shortened
from topology.diagrams.layout import (
    CHIP_WIDTH,
    MARGIN,
    TITLE_HEIGHT,
    Box,
    Card,
    Layout,
    layout,
)
from topology.diagrams.pattern import Pattern, pattern
from topology.model import Cluster

CARD_WIDTH = 284
ABOVE = TITLE_HEIGHT - MARGIN  # the layout leaves room for a title, which the page has itself
BAND = 40


@dataclass(frozen=True)
class Drawn:
    """One cluster, with its gateway; lengths in SVG user units.

    Attributes:
        card: where it stands.
        lines: what stands below its name.
        state: what the checks say of it; None: nothing.
        title: all of it in words.
        gateway: two short lines on its gateway.
        gateway_state: what was seen of the gateway.
        chip: x of the gateway's left edge.
        wire: SVG path data from the card to the gateway, and in a band from there to the band.
        labels: shares of its requests that leave, and that it answers for others.
    """

    card: Card
    lines: tuple[str, ...]
    state: State | None
    title: str
    gateway: tuple[str, str]
    gateway_state: State
    chip: float
    wire: str
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Picture:
    """The whole picture.

    Attributes:
        x: left edge of what is shown.
        y: its upper edge.
        width: its width.
        height: its height.
        boxes: the networks.
        clusters: the clusters.
        arrows: the links.
        band: SVG path data of the band; empty: there is none.
        words: what it shows, as a sentence.
    """

    x: float
    y: float
    width: float
    height: float
    boxes: tuple[Box, ...]
    clusters: tuple[Drawn, ...]
    arrows: tuple[Arrow, ...]
    band: str
    words: str


def picture(contents: Contents) -> Picture:
    """Draw the mesh as it was seen."""
    mesh, places = contents.observed.mesh, Places(contents.results)
    shape, plan = pattern(mesh), layout(mesh, CARD_WIDTH, STREET)
    links = Links(places, contents.observed.matrix, list(directions(shape.crossing)))
    every = banded(shape, plan)
    drawn = tuple(
        _drawn(contents, card, links, places, plan if every and card.cluster.name not in shape.apart else None)
        for box in plan.boxes
        for card in box.cards
    )
    arrows = (*links.inside(shape, plan), *links.between(shape, plan))
    top = plan.top - (MARGIN if len(plan.streets) > 1 else 0)
    return Picture(
        x=0,
        y=top - 8,
        width=plan.width,
        height=plan.bottom - top + 24,
        boxes=plan.boxes,
        clusters=drawn,
        arrows=arrows,
        band=_band(plan) if every else "",
        words=_words(contents, shape, drawn),
    )


def _drawn(contents: Contents, card: Card, links: Links, places: Places, band: Layout | None) -> Drawn:
    name = card.cluster.name
    seen = contents.observed.clusters.get(name)
    remotes = remotes_of(contents.observed, name)
    lines = _lines(contents, card.cluster, remotes, links)
    state = places.state(name)
    gateway, gateway_state = _gateway(seen.gateway if seen else Unknown("not asked"))
    codes = places.codes(name)
    title = f"{name}: {state or 'not checked'}" + (f" ({', '.join(codes)})" if codes else "") + f"; {'; '.join(lines)}"
    chip = card.border - CHIP_WIDTH / 2
    near = card.x + card.width if card.side == "left" else card.x
    wire = f"M{near:g} {card.middle:g}H{chip if card.side == 'left' else chip + CHIP_WIDTH:g}"
    labels: tuple[Label, ...] = ()
    if band is not None:
        out = 1 if card.side == "left" else -1
        street = min(band.streets, key=lambda x: abs(x - card.port))
        wire += f"M{card.port:g} {card.middle:g}H{street - out * BAND / 2:g}"
        labels = _labels(card, links, (card.port + street - out * BAND / 2) / 2)
    room = card.width - 24
    shown = tuple(shortened(line, 11.5, room) for line in lines[-1 if card.height < 60 else 0 :])
    return Drawn(card, shown, state, title, gateway, gateway_state, chip, wire, labels)


def _lines(contents: Contents, cluster: Cluster, remotes: Remotes, links: Links) -> tuple[str, str]:
    mesh = contents.observed.mesh
    seen = contents.observed.clusters.get(cluster.name)
    where = [cluster.region or "", cluster.cloud or "", f"Istio {istio_of(mesh, cluster).version}"]
    what = []
    if seen is None or isinstance(seen.kubernetes, Unknown):
        what.append("API server does not answer" if seen else "not asked")
    else:
        ready = [] if isinstance(seen.istiods, Unknown) else [each.ready for each in seen.istiods]
        what.append("istiod not known" if isinstance(seen.istiods, Unknown) else f"istiod {sum(ready)}/{len(ready)}")
        if remotes.expected:
            what.append(f"reads {len(remotes.connected)}/{len(remotes.expected)}")
    here = links.share(cluster.name, cluster.name)
    if here is not None:
        what.append(f"{here:.0%} here")
    return " · ".join(text for text in where if text), " · ".join(what)


def _gateway(gateway: EastWestGateway | Unknown | None) -> tuple[tuple[str, str], State]:
    if isinstance(gateway, Unknown):
        return ("gateway", "not known"), State.SKIPPED
    if gateway is None:
        return ("no gateway", ""), State.FAILED
    ready = sum(pod.ready for pod in gateway.pods)
    if not gateway.addresses:
        return ("gateway", "no address"), State.FAILED
    state = State.OK if ready else State.FAILED
    if ready and ready < len(gateway.pods):
        state = State.WARNING
    return ("gateway", f"{ready}/{len(gateway.pods)} ready"), state


def _labels(card: Card, links: Links, x: float) -> tuple[Label, ...]:
    """What goes out of the cluster and comes into it, above and below its line to the band."""
    name = card.cluster.name
    leaving = links.outward(name)
    others = [share for row in links.clients if row != name and (share := links.share(row, name)) is not None]
    shares = {"out": leaving, "in": sum(others) / len(others) if others else None}
    labels = []
    for way, y in (("out", card.middle - 5), ("in", card.middle + 14)):
        share = shares[way]
        if of := links.troubles.get((name, way)):
            state = worst(links.state(*pair) or State.SKIPPED for pair in of) or State.SKIPPED
            labels.append(Label(x, y, f"{len(of)} {way}: {state}", state))
        elif share is not None:
            labels.append(Label(x, y, f"{share:.0%} {way}"))
    return tuple(labels)


def _band(plan: Layout) -> str:
    ends = []
    for street in plan.streets:
        middles = [card.middle for box in plan.boxes for card in box.cards if abs(card.port - street) < STREET]
        ends.append((street, plan.top if len(plan.streets) > 1 else min(middles), max(middles)))
    across = f"M{ends[0][0]:g} {plan.top:g}H{ends[-1][0]:g}" if len(ends) > 1 else ""
    return "".join(f"M{x:g} {top:g}V{bottom:g}" for x, top, bottom in ends) + across


def _words(contents: Contents, shape: Pattern, drawn: tuple[Drawn, ...]) -> str:
    counts = [
        f"{sum(each.state is state for each in drawn)} {state}"
        for state in State
        if any(e.state is state for e in drawn)
    ]
    clusters = f"{len(drawn)} clusters ({', '.join(counts)})" if counts else f"{len(drawn)} clusters"
    sentence = shape.sentence()
    return f"Mesh {contents.observed.mesh.id}: {clusters}" + (f"; {sentence}" if sentence else "") + "."
