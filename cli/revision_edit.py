"""Revisions of clusters written into the stack file, and what stands in the way of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.project import Stack
from cli.stack_edit import StackEdit
from live.kubeconfig import ClusterAccess
from live.upgrade.survey import survey
from topology import Mesh, MeshConfigError, Problem
from topology.checks import check
from topology.checks.istio import known_faults
from topology.defaults import istio_of
from topology.model import Istio
from topology.revisions import DEFAULT, declared_revisions, default_revision, istiods
from topology.upgrade import ClusterPlan, plan, refused, still_used

KEYS = ("version", "revision", "revisions", "tags")


@dataclass(frozen=True)
class Change:
    """Other revisions of some clusters, checked, and not yet written.

    Attributes:
        mesh: the mesh as it is to be.
        edit: the stack file with it.
        clusters: what happens in each cluster.
        warnings: what should be known before.
    """

    mesh: Mesh
    edit: StackEdit
    clusters: list[ClusterPlan]
    warnings: list[str]


def change(stack: Stack, accesses: Mapping[str, ClusterAccess], wanted: Mapping[str, Istio]) -> Change:
    """What other revisions of clusters come to.

    Args:
        stack: the stack as it is.
        accesses: its clusters that answer, by Istio's name.
        wanted: by cluster, its Istio as it is to be, complete; others stay.

    Raises:
        MeshConfigError: they do not fit together, Istio does not support it, or proxies would lose their istiod.
        UnreachableError: a cluster does not answer.
    """
    # Tags of the mesh are every cluster's: complete as these are, they have to be the clusters' own only.
    mesh = stack.mesh.model_copy(
        update={
            "istio": stack.mesh.istio.model_copy(update={"tags": {}}),
            "clusters": [
                each.model_copy(update={"istio": wanted.get(each.name) or istio_of(stack.mesh, each)})
                for each in stack.mesh.clusters
            ],
        }
    )
    if problems := check(mesh):
        raise MeshConfigError(problems)
    surveyed = survey(mesh, accesses)
    installed = {name: each.installed for name, each in surveyed.items()}
    # What the stack file declares now is what the stack has made.
    if problems := [*refused(mesh, installed), *still_used(mesh, installed, istiods(stack.mesh))]:
        raise MeshConfigError(problems)
    edit = edited(stack, mesh)
    return Change(mesh, edit, plan(mesh, surveyed), [str(each) for each in known_faults(mesh)])


def edited(stack: Stack, mesh: Mesh) -> StackEdit:
    """The stack file with the revisions of a mesh, not yet written: once where all clusters have the same.

    Args:
        stack: the stack as it is.
        mesh: the mesh as it is to be.

    Raises:
        MeshConfigError: the file cannot be changed by a program.
    """
    edit = StackEdit.open(stack.project, stack.name)
    before = {each.name: _told(istio_of(stack.mesh, each)) for each in stack.mesh.clusters}
    after = {each.name: _told(istio_of(mesh, each)) for each in mesh.clusters}
    first = next(iter(after.values()))
    if all(each == first for each in after.values()):
        for name in after:
            for key in KEYS:
                edit.remove(f"{edit.cluster(name)}.istio.{key}")
        _write(edit, "istio", first, {})
    else:
        whole = {key: edit.get(f"istio.{key}") for key in KEYS}
        # A cluster has the mesh's tags besides its own: one that is not for all of them is for none of the mesh's.
        apart = bool(whole["tags"]) and any(
            not whole["tags"].items() <= each["tags"].items() for each in after.values()
        )
        for name, told in after.items():
            if told != before[name] or apart:
                _write(edit, f"{edit.cluster(name)}.istio", told, {**whole, **({"tags": None} if apart else {})})
        if apart:
            edit.remove("istio.tags")
    edit.text()
    return edit


def _told(istio: Istio) -> dict[str, Any]:
    default = default_revision(istio)
    return {
        "version": default.version,
        "revision": default.name,
        "revisions": [{"name": each.name, "version": each.version} for each in declared_revisions(istio)[1:]],
        "tags": dict(istio.tags),
    }


def _write(edit: StackEdit, at: str, told: Mapping[str, Any], above: Mapping[str, Any]) -> None:
    """Write what differs from what holds anyway.

    Args:
        edit: the stack file.
        at: path of the keys.
        told: what is to hold.
        above: what the mesh says where a cluster is silent; empty: this is what the mesh says.
    """
    silent = {"revision": DEFAULT, "revisions": [], "tags": {}}
    for key in KEYS:
        value = told[key]
        holds = above.get(key) or silent.get(key)
        if value == holds and (above or key != "version"):
            edit.remove(f"{at}.{key}")
        elif edit.get(f"{at}.{key}") != value:
            edit.set(f"{at}.{key}", value)


def unknown(name: str, cluster: str, istio: Istio) -> Problem:
    """A revision that a cluster does not have."""
    names = [*(each.name for each in declared_revisions(istio)), *istio.tags]
    return Problem(f"cluster {cluster}", f"it has no revision {name}", f"It has {', '.join(names)}")
