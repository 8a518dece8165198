"""Names of clusters, and what refers to them: links, groups, networks."""

from collections.abc import Iterator

from topology.checks.keys import ROOT, cluster_keys
from topology.errors import Problem
from topology.facts import networks
from topology.model import Hubs, Mesh


def names(mesh: Mesh) -> Iterator[Problem]:
    """Two clusters with one name."""
    first: dict[str, int] = {}
    for index, cluster in enumerate(mesh.clusters):
        if cluster.name in first:
            yield Problem(
                f"{ROOT}.clusters[{index}].name",
                f"{cluster.name} is the name of clusters[{first[cluster.name]}] too",
                "Give each cluster a name of its own: istiod tells clusters apart by it",
            )
        first.setdefault(cluster.name, index)


def links(mesh: Mesh) -> Iterator[Problem]:
    """Links of clusters that do not exist, of a cluster to itself, or given twice."""
    known = [c.name for c in mesh.clusters]
    if isinstance(mesh.links, Hubs):
        yield from _names_in(f"{ROOT}.links.hubs", mesh.links.hubs, known)
        return
    if mesh.links == "full":
        return
    readers: set[str] = set()
    for index, entry in enumerate(mesh.links):
        key = f"{ROOT}.links[{index}]"
        if entry.reader not in known:
            yield _unknown(f"{key}.reader", entry.reader, known)
        if entry.reader in readers:
            yield Problem(f"{key}.reader", f"{entry.reader} has an entry already", "Put its peers together")
        readers.add(entry.reader)
        yield from _names_in(f"{key}.peers", entry.peers, known)
        if entry.reader in entry.peers:
            yield Problem(
                f"{key}.peers[{entry.peers.index(entry.reader)}]",
                f"{entry.reader} would read itself from afar",
                "istiod reads its own cluster anyway: leave it out",
            )


def _names_in(key: str, listed: list[str], known: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(listed):
        if name not in known:
            yield _unknown(f"{key}[{index}]", name, known)
        elif name in listed[:index]:
            yield Problem(f"{key}[{index}]", f"{name} is listed twice", "Keep one")


def _unknown(key: str, name: str, known: list[str]) -> Problem:
    return Problem(key, f"no cluster is called {name}", f"Clusters here: {', '.join(known)}")


def groups(mesh: Mesh) -> Iterator[Problem]:
    """Clusters without a group where the mesh is divided, groups without clusters, two groups in one stack."""
    for key, cluster in cluster_keys(mesh):
        if mesh.groups and cluster.group is None:
            yield Problem(
                f"{key}.group",
                f"the mesh is divided into groups, and cluster {cluster.name} has none",
                f"Name one of: {', '.join(mesh.groups)}",
            )
        elif cluster.group is not None and cluster.group not in mesh.groups:
            known = ", ".join(mesh.groups)
            cure = f"Groups here: {known}" if known else f"Declare it: `groups: {{{cluster.group}: {{stack: …}}}}`"
            yield Problem(f"{key}.group", f"no group is called {cluster.group}", cure)
    used = {cluster.group for cluster in mesh.clusters}
    stacks: dict[str, str] = {}
    for name, group in mesh.groups.items():
        if name not in used:
            yield Problem(f"{ROOT}.groups.{name}", "no cluster is in it", "Remove it, or give clusters this `group`")
        if group.stack in stacks:
            cause = f"{group.stack} is the stack of group {stacks[group.stack]} too"
            yield Problem(f"{ROOT}.groups.{name}.stack", cause, "Each group has a stack of its own")
        stacks.setdefault(group.stack, name)


def one_network_over_regions(mesh: Mesh) -> Iterator[Problem]:
    """Clusters of one network in several regions or clouds: often a network's name that was copied along."""
    keys = {cluster.name: key for key, cluster in cluster_keys(mesh)}
    for network, clusters in networks(mesh).items():
        first = clusters[0]
        for cluster in clusters[1:]:
            if (cluster.region, cluster.cloud) != (first.region, first.cloud):
                yield Problem(
                    f"{keys[cluster.name]}.network",
                    f"{cluster.name} ({cluster.region or 'no region'}) is on {network} with {first.name} "
                    f"({first.region or 'no region'}), so their pods have to reach each other without a gateway",
                    "If they cannot, give it a network of its own",
                )
