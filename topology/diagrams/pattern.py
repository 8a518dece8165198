"""What kind of drawing the links of a mesh call for."""

from dataclasses import dataclass, field
from itertools import combinations, permutations

from topology.facts import links
from topology.model import Cluster, Mesh


@dataclass(frozen=True)
class Pair:
    """Two clusters of which at least one reads the other.

    Attributes:
        first: the earlier one in the file.
        second: the later one.
        forward: ``first`` reads ``second``.
        backward: ``second`` reads ``first``.
    """

    first: Cluster
    second: Cluster
    forward: bool
    backward: bool


@dataclass(frozen=True)
class Pattern:
    """The links of a mesh, as they look from afar.

    Attributes:
        full: every cluster reads every other, but for those ``apart``.
        hubs: clusters that read, and are read by, every other one, where no other links exist; empty when the links
            are of another kind, or full.
        crossing: pairs on different networks.
        apart: clusters that read none and that none reads, beside others that are linked.
        flat: pairs on one network, by network.
    """

    full: bool
    hubs: tuple[str, ...]
    crossing: tuple[Pair, ...]
    apart: tuple[str, ...]
    flat: dict[str, tuple[Pair, ...]] = field(default_factory=dict)

    def sentence(self) -> str:
        """The pattern in words; empty for a mesh of one cluster."""
        if not self.crossing and not self.flat:
            return f"{', '.join(self.apart)} are not linked" if len(self.apart) > 1 else ""
        if self.full:
            words = "every cluster reads every other"
        elif self.hubs:
            verb = "is the hub" if len(self.hubs) == 1 else "are the hubs"
            words = f"{', '.join(self.hubs)} {verb}; other clusters do not read each other"
        else:
            words = "links are listed one by one"
        return words + (f"; not linked: {', '.join(self.apart)}" if self.apart else "")


def pattern(mesh: Mesh) -> Pattern:
    """How the links of ``mesh`` are best drawn; found from the links themselves, however they were declared."""
    linked = {(link.reader.name, link.peer.name) for link in links(mesh)}
    in_links = {name for pair in linked for name in pair}
    names = [cluster.name for cluster in mesh.clusters if cluster.name in in_links]
    pairs = [
        Pair(a, b, (a.name, b.name) in linked, (b.name, a.name) in linked)
        for a, b in combinations(mesh.clusters, 2)
        if {(a.name, b.name), (b.name, a.name)} & linked
    ]
    flat: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.first.network == pair.second.network:
            flat.setdefault(pair.first.network, []).append(pair)
    full = linked == set(permutations(names, 2))
    return Pattern(
        full=full,
        hubs=() if full else _hubs(names, linked),
        crossing=tuple(pair for pair in pairs if pair.first.network != pair.second.network),
        apart=tuple(cluster.name for cluster in mesh.clusters if cluster.name not in in_links),
        flat={network: tuple(found) for network, found in flat.items()},
    )


def _hubs(names: list[str], linked: set[tuple[str, str]]) -> tuple[str, ...]:
    hubs = [name for name in names if all({(name, o), (o, name)} <= linked for o in names if o != name)]
    of_hubs = {pair for pair in permutations(names, 2) if set(pair) & set(hubs)}
    return tuple(hubs) if linked == of_hubs else ()
