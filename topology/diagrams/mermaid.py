"""A Mermaid flowchart of a mesh: what Markdown of GitHub and GitLab shows as a picture.

Syntax: https://mermaid.js.org/syntax/flowchart.html
"""

import re

from topology.diagrams.caption import facts_of
from topology.diagrams.pattern import Pair, Pattern, pattern
from topology.facts import networks
from topology.model import Mesh

MAX_CURVES = 15  # more pairs of a full mesh than this are drawn as one meeting point
MAX_EDGES = 400  # Mermaid refuses more than 500 edges, and a page cannot raise that (its `maxEdges` is a secure key)


def to_mermaid(mesh: Mesh) -> str:
    """The mesh as a Mermaid flowchart: networks as subgraphs, arrows from who reads to who is read.

    Thick lines are pairs of one network (pods reach each other directly), thin arrows go through the peer's east-west
    gateway.
    """
    shape = pattern(mesh)
    ids = {cluster.name: f"c{number}" for number, cluster in enumerate(mesh.clusters, 1)}
    lines = ["flowchart LR"]
    for number, (network, clusters) in enumerate(networks(mesh).items(), 1):
        direct = len(clusters) > 1 and len(shape.flat.get(network, ())) == len(clusters) * (len(clusters) - 1) // 2
        title = f"{network}: pods reach each other directly" if direct else network
        lines.append(f'  subgraph n{number}["{_escaped(title)}"]')
        for cluster in clusters:
            label = "<br/>".join(_escaped(text) for text in (cluster.name, *facts_of(mesh, cluster)) if text)
            brackets = ('(["', '"])') if cluster.name in shape.hubs else ('["', '"]')
            lines.append(f"    {ids[cluster.name]}{brackets[0]}{label}{brackets[1]}")
        lines.append("  end")
    lines += [f"  {line}" for line in _edges(shape, ids)]
    return "\n".join(lines) + "\n"


def _edges(shape: Pattern, ids: dict[str, str]) -> list[str]:
    flat = [pair for pairs in shape.flat.values() for pair in pairs]
    lines = []
    if shape.full and len(flat) > MAX_CURVES:
        flat = [pair for pairs in shape.flat.values() for pair in _chain(pairs)]
    crossing = list(shape.crossing)
    if shape.full and len(crossing) > MAX_CURVES:
        crossing = []
        lines.append('wan(("every cluster reads<br/>every other, through<br/>east-west gateways"))')
        lines += [f"{key} <--> wan" for name, key in ids.items() if name not in shape.apart]
    if len(flat) + len(crossing) > MAX_EDGES:
        count = sum(pair.forward + pair.backward for pair in (*flat, *crossing))
        return [f'note>"{count} links, too many to draw: spanmesh topology -o json lists them"]']
    lines += [_edge(pair, ids, "<==>", "==>") for pair in flat]
    lines += [_edge(pair, ids, '<-- "gateway" -->', '-- "gateway" -->') for pair in crossing]
    return lines


def _chain(pairs: tuple[Pair, ...]) -> list[Pair]:
    """Each cluster with the next one: the label of the network says that this holds for all of them."""
    order = list(dict.fromkeys(name for pair in pairs for name in (pair.first.name, pair.second.name)))
    return [pair for pair in pairs if order.index(pair.second.name) == order.index(pair.first.name) + 1]


def _edge(pair: Pair, ids: dict[str, str], both: str, one: str) -> str:
    first, second = ids[pair.first.name], ids[pair.second.name]
    if pair.forward and pair.backward:
        return f"{first} {both} {second}"
    return f"{first} {one} {second}" if pair.forward else f"{second} {one} {first}"


def _escaped(text: str) -> str:
    # Entity codes: what is neither letter, digit, space nor plain punctuation could end a label or start markup.
    return re.sub(r"[^\w .,:/()·+-]", lambda found: f"#{ord(found[0])};", text)
