"""The revisions and tags of a cluster's istiods."""

from collections.abc import Iterator

from topology.checks.istio import SUPPORTED_CANARY_SKEW, skew, version
from topology.checks.keys import ROOT, cluster_keys
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Cluster, Istio, Mesh
from topology.revisions import DEFAULT, declared_revisions


def revisions(mesh: Mesh) -> Iterator[Problem]:
    """Names that occur twice, tags that lead nowhere, and istiods of one cluster that are too far apart."""
    # What stands with the mesh would be told again for every cluster.
    told: set[str] = set()
    for key, cluster in cluster_keys(mesh):
        istio = istio_of(mesh, cluster)
        for problem in (*_names(key, cluster, istio), *_tags(key, cluster, istio), *_skew(key, mesh, istio)):
            if problem.key not in told:
                told.add(problem.key)
                yield problem


def _names(key: str, cluster: Cluster, istio: Istio) -> Iterator[Problem]:
    at = f"{_place(key, own=cluster.istio.revisions is not None)}.istio.revisions"
    seen: dict[str, str] = {}
    for place, each in enumerate(declared_revisions(istio)):
        if each.name in seen:
            yield Problem(
                f"{at}[{place - 1}].name",
                f"{each.name} is the name of {seen[each.name]} too",
                "Give each revision a name of its own, for example its version with `-` for `.`",
            )
        seen.setdefault(each.name, f"revisions[{place - 1}]" if place else "the default revision (`istio.revision`)")


def _tags(key: str, cluster: Cluster, istio: Istio) -> Iterator[Problem]:
    names = [each.name for each in declared_revisions(istio)]
    for tag, target in istio.tags.items():
        at = f"{_place(key, own=tag in cluster.istio.tags)}.istio.tags.{tag}"
        if tag == DEFAULT:
            yield Problem(
                at,
                "the tag `default` stands for the default revision by itself",
                "Remove it here: `istio.revision` says which one that is",
            )
        elif tag in names:
            yield Problem(at, f"{tag} is the name of a revision too", "Give the tag another name")
        elif target not in names:
            yield Problem(
                at,
                f"cluster {cluster.name} has no revision {target}",
                f"Give one of its revisions: {', '.join(names)}",
            )


def _skew(key: str, mesh: Mesh, istio: Istio) -> Iterator[Problem]:
    """https://istio.io/latest/docs/setup/upgrade/canary/: across two minor versions."""
    if mesh.allow_version_skew:
        return
    numbered = {each.name: number for each in declared_revisions(istio) if (number := version(each.version))}
    newest = max(numbered, key=lambda name: numbered[name], default="")
    for name, number in numbered.items():
        if skew(number, numbered[newest]) > SUPPORTED_CANARY_SKEW:
            yield Problem(
                f"{key}.istio.revisions",
                f"revision {name} is Istio {number} and {newest} is {numbered[newest]}: Istio supports an upgrade by "
                f"revisions across {SUPPORTED_CANARY_SKEW} minor versions",
                f"Go by a version in between, or write `{ROOT}.allowVersionSkew: true` for that time",
            )


def _place(key: str, *, own: bool) -> str:
    return key if own else ROOT
