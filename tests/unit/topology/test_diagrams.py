"""The Mermaid and SVG pictures of a mesh: complete, well-formed, and no tangle."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import Any

import pytest

from tests.unit.topology.meshes import FIFTY, FLAT_AND_ONE, TWELVE, TWO, mesh_of
from topology import Mesh
from topology.diagrams import to_mermaid, to_svg
from topology.diagrams.layout import layout

SVG = "{http://www.w3.org/2000/svg}"
MANY_LISTED = [
    {"reader": f"cluster{n}", "peers": [f"cluster{n + 1}", f"cluster{n + 2}", f"cluster{n + 4}"]} for n in range(1, 9)
]
MESHES = {
    "two": mesh_of(TWO),
    "flat pair and one": mesh_of(FLAT_AND_ONE),
    "one cluster": mesh_of([1]),
    "one network": mesh_of([1] * 5),
    "twelve": mesh_of(TWELVE),
    "twelve, two hubs": mesh_of(TWELVE, {"hubs": ["cluster1", "cluster4"]}),
    "twelve, listed": mesh_of(TWELVE, MANY_LISTED),
    "fifty": mesh_of(FIFTY),
    "fifty on ten networks": mesh_of([n // 5 for n in range(50)]),
    "fifty, one hub": mesh_of(FIFTY, {"hubs": ["cluster7"]}),
    "one apart": mesh_of(TWELVE, linked=False),
    "none linked": mesh_of(TWO, linked=False),
}
every_mesh = pytest.mark.parametrize("mesh", MESHES.values(), ids=MESHES.keys())


def parsed(mesh: Mesh) -> ET.Element:
    return ET.fromstring(to_svg(mesh))  # noqa: S314 - written by the line before


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def drawn(root: ET.Element, tag: str, css: str) -> list[ET.Element]:
    return [element for element in root.iter(f"{SVG}{tag}") if css in (element.get("class") or "").split()]


def titles(mesh: Mesh) -> list[str]:
    return [element.text or "" for element in parsed(mesh).iter(f"{SVG}title")]


def edges(mesh: Mesh) -> list[str]:
    return [line.strip() for line in to_mermaid(mesh).splitlines() if re.search(r"--?>|==>", line)]


@every_mesh
def test_every_cluster_and_network_is_in_both_pictures(mesh: Mesh) -> None:
    shown, mermaid = texts(parsed(mesh)), to_mermaid(mesh)
    for cluster in mesh.clusters:
        assert cluster.name in shown
        assert cluster.network in shown
        assert f'["{cluster.name}<br/>' in mermaid
        assert re.search(rf'subgraph n\d+\["{cluster.network}[":]', mermaid)


@every_mesh
def test_svg_is_self_contained_named_and_has_a_dark_mode(mesh: Mesh) -> None:
    text, root = to_svg(mesh), parsed(mesh)
    assert not re.search(r"<script|<image|<foreignObject|href=|url\(|@import|@font-face| on[a-z]+=", text)
    names = {element.get("id"): element.text or "" for element in root if element.get("id")}
    assert root.get("role") == "img"
    assert (root.get("aria-labelledby") or "").split() == list(names) == ["title", "desc"]
    assert all(cluster.name in names["desc"] for cluster in mesh.clusters)
    style = root.findtext(f"{SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    used = {css for element in root.iter() for css in (element.get("class") or "").split()}
    for css in used:
        assert f".{css} {{" in light
        assert f".{css} {{" in dark


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *((ink, ground) for ink in ("ink", "muted") for ground in ("page", "network", "card")),
        *(("gateway-ink", "gateway"), ("hub-ink", "hub"), ("ink", "band")),
    ],
)
def test_text_stands_out_in_both_modes(mode: int, ink: str, ground: str) -> None:
    style = (parsed(MESHES["two"]).findtext(f"{SVG}style") or "").split("@media")[mode]
    colours = dict(re.findall(r"\.(\S+) \{ (?:fill|stroke): (#[0-9a-f]{6})", style))
    low, high = sorted((luminance(colours[ink]), luminance(colours[ground])))
    assert (high + 0.05) / (low + 0.05) >= 4.5


@every_mesh
def test_boxes_do_not_overlap_and_nothing_is_outside(mesh: Mesh) -> None:
    boxes, root = layout(mesh).boxes, parsed(mesh)
    for a, b in combinations(boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart, (a.name, b.name)
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for box in boxes:
        assert 0 <= box.x <= box.x + box.width <= width
        assert 0 <= box.y <= box.y + box.height <= height
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x", -1)) <= width
        assert 0 <= float(element.get("y", -1)) <= height


def test_flat_pair_is_drawn_direct_and_the_others_through_gateways() -> None:
    mesh = MESHES["flat pair and one"]
    root = parsed(mesh)
    assert len(drawn(root, "rect", "gateway")) == 3
    assert [title for title in titles(mesh) if "read each other" in title] == [
        "cluster1 and cluster3 read each other",
        "cluster2 and cluster3 read each other",
    ]
    assert len(drawn(root, "circle", "flat-fill")) == 2
    assert edges(mesh) == ["c1 <==> c2", 'c1 <-- "gateway" --> c3', 'c2 <-- "gateway" --> c3']


def test_one_way_link_has_one_arrow_from_the_reader() -> None:
    mesh = mesh_of(FLAT_AND_ONE, [{"reader": "cluster3", "peers": ["cluster1"]}])
    assert edges(mesh) == ['c3 -- "gateway" --> c1']
    assert "cluster3 reads cluster1" in titles(mesh)
    plan = layout(mesh)
    heads = [element.get("d") or "" for element in drawn(parsed(mesh), "path", "cross-fill")]
    at_reader, at_peer = plan.card("cluster3"), plan.card("cluster1")
    assert [head for head in heads if head.startswith(f"M{at_peer.port + 3:g} {at_peer.middle:g}L")]
    assert not [head for head in heads if head.startswith(f"M{at_reader.port - 3:g} ")]


@pytest.mark.parametrize("name", ["twelve", "fifty", "fifty on ten networks"])
def test_links_of_a_large_full_mesh_grow_with_its_clusters_and_not_with_its_pairs(name: str) -> None:
    mesh = MESHES[name]
    wires = [path for path in drawn(parsed(mesh), "path", "cross") if "V" not in (path.get("d") or "")]
    assert len(wires) == len(mesh.clusters) + 1  # the legend's
    assert len([edge for edge in edges(mesh) if "gateway" in edge]) == 0
    assert len([edge for edge in edges(mesh) if "wan" in edge]) == len(mesh.clusters)


def test_each_hub_is_a_line_with_a_dot_for_every_cluster_on_another_network() -> None:
    mesh = MESHES["twelve, two hubs"]
    root = parsed(mesh)
    legend = 1
    # cluster1 shares its network with cluster2 and cluster3; cluster4 is alone on its own.
    assert len(drawn(root, "circle", "line0")) == 1 + 9 + legend
    assert len(drawn(root, "circle", "line1")) == 1 + 11
    assert texts(root).count("hub") == 2
    assert not drawn(root, "circle", "line2")


def test_large_list_of_links_becomes_a_grid_of_reader_by_peer() -> None:
    mesh = MESHES["twelve, listed"]
    assert sorted(title for title in titles(mesh) if " reads " in title) == sorted(
        f"{entry['reader']} reads {peer}" for entry in MANY_LISTED for peer in entry["peers"]
    )
    assert len(drawn(parsed(mesh), "rect", "empty")) == 12 * 11 - 24


def test_unlinked_cluster_is_drawn_without_links() -> None:
    mesh = MESHES["one apart"]
    assert len(drawn(parsed(mesh), "rect", "gateway")) == 11
    assert not [edge for edge in edges(mesh) if edge.startswith("c1 ")]
    assert edges(MESHES["none linked"]) == []


@pytest.mark.parametrize("region", ["<b>&\"'--> x", "]]>", "end", "上海一", "a" * 300, '#quot; "] --> c9["'])
def test_free_text_cannot_become_markup(region: str) -> None:
    mesh = mesh_of(TWO, region=region)
    root = parsed(mesh)
    assert any(title.startswith(f"cluster1 · {region} · ") for title in titles(mesh))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "g", "rect", "path", "circle", "text")
    }
    assert edges(mesh) == ['c1 <-- "gateway" --> c2']
    label = next(line for line in to_mermaid(mesh).splitlines() if line.startswith("    c1["))
    assert label.count('"') == 2
    assert not re.search(r"<(?!br/>)", label)


@every_mesh
def test_same_mesh_gives_the_same_pictures(mesh: Mesh) -> None:
    again = Mesh.model_validate(mesh.model_dump())
    assert (to_svg(again), to_mermaid(again)) == (to_svg(mesh), to_mermaid(mesh))


def test_more_edges_than_mermaid_draws_become_a_note() -> None:
    peers: list[dict[str, Any]] = [
        {"reader": f"cluster{n}", "peers": [f"cluster{p}" for p in FIFTY if p > n]} for n in range(1, 50)
    ]
    text = to_mermaid(mesh_of(FIFTY, peers))
    assert "1225 links, too many to draw" in text
    assert "-->" not in text
