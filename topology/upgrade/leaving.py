"""Istiods and tags that a mesh declares no more, and who still goes by them."""

from collections.abc import Collection, Iterator, Mapping

from topology.checks.keys import ROOT
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Mesh
from topology.revisions import DEFAULT, declared_revisions, default_revision, istiod_of
from topology.upgrade.installed import Installed

SHOWN = 5


def leaving(mesh: Mesh, installed: Mapping[str, Installed], own: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """By cluster, the revisions whose istiods an update removes.

    Args:
        mesh: the declared mesh.
        installed: by cluster, what it has.
        own: by cluster, the names of the istiods that this stack has made; it removes no others.
    """
    found = {}
    for cluster in mesh.clusters:
        has = installed.get(cluster.name, Installed())
        names = {each.name for each in declared_revisions(istio_of(mesh, cluster))}
        made = {name for name in has.revisions if istiod_of(name) in own.get(cluster.name, ())}
        if gone := sorted(made - names):
            found[cluster.name] = gone
    return found


def still_used(mesh: Mesh, installed: Mapping[str, Installed], own: Mapping[str, Collection[str]]) -> list[Problem]:
    """Revisions and tags that are taken out while proxies are of them, or namespaces name them.

    Args:
        mesh: the declared mesh.
        installed: by cluster, what it has; where a revision is taken out, with the proxies of its workloads.
        own: as of :func:`leaving`.
    """
    found, gone = [], leaving(mesh, installed, own)
    for index, cluster in enumerate(mesh.clusters):
        if cluster.name in installed:
            istio, has = istio_of(mesh, cluster), installed[cluster.name]
            key = f"{ROOT}.clusters[{index}].istio"
            for name in gone.get(cluster.name, ()):
                found += list(_revision(f"{key}.revisions", cluster.name, name, has, default_revision(istio).name))
            names = {each.name for each in declared_revisions(istio)}
            # `default` is always some revision.
            for tag in sorted(has.tags.keys() - istio.tags.keys() - names - {DEFAULT}):
                found += list(_label(f"{key}.tags", cluster.name, "tag", tag, has))
    return found


def unknown_labels(mesh: Mesh, installed: Mapping[str, Installed]) -> list[Problem]:
    """Namespaces whose label names what the cluster does not have, and has not had: their pods get no proxy.

    Args:
        mesh: the declared mesh.
        installed: by cluster, what it has.
    """
    found = []
    for index, cluster in enumerate(mesh.clusters):
        if cluster.name not in installed:
            continue
        istio, has = istio_of(mesh, cluster), installed[cluster.name]
        names = [each.name for each in declared_revisions(istio)]
        known = {*names, *istio.tags, DEFAULT, *has.revisions, *has.tags, *has.foreign_tags}
        for namespace, named in sorted(has.asked.items()):
            if named not in known:
                found.append(
                    Problem(
                        f"{ROOT}.clusters[{index}].istio",
                        f"cluster {cluster.name}: namespace {namespace} is labelled istio.io/rev={named}, which is "
                        "neither a revision nor a tag there: its new pods get no proxy",
                        f"Label it by one of {', '.join([*names, *istio.tags])}: "
                        f"`spanmesh revision move {namespace} --cluster {cluster.name} --to …`",
                    )
                )
    return found


def _revision(key: str, cluster: str, name: str, has: Installed, default: str) -> Iterator[Problem]:
    proxies = has.proxies.of(name) if has.proxies else None
    if proxies and proxies.count:
        yield Problem(
            key,
            f"cluster {cluster}: revision {name} is declared no more, and {proxies.count} running proxies are of it, "
            f"in {_listed(proxies.where)}: without their istiod they get no changes and no new certificates",
            f"Declare it until they are moved: `spanmesh revision move {' '.join(proxies.where[:SHOWN])} "
            f"--to {default} --cluster {cluster}`",
        )
    elif name != DEFAULT:
        yield from _label(key, cluster, "revision", name, has)


def _label(key: str, cluster: str, what: str, name: str, has: Installed) -> Iterator[Problem]:
    if named := sorted(namespace for namespace, asked in has.asked.items() if asked == name):
        yield Problem(
            key,
            f"cluster {cluster}: the {what} {name} is declared no more, and the label istio.io/rev of {_listed(named)} "
            "names it: new pods there would get no proxy",
            f"Declare it until they are moved: `spanmesh revision move {' '.join(named[:SHOWN])} --to … "
            f"--cluster {cluster}`",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
