"""Changes of version that Istio does not support.

An installed version may be at most one minor version older than the one that replaces it in place, and two older than
the one of a new revision: https://istio.io/latest/docs/setup/upgrade/in-place/#upgrade-prerequisites,
https://istio.io/latest/docs/setup/upgrade/canary/. Proxies may be one minor version older than
their istiod, and never newer: https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew
"""

from collections.abc import Iterator, Mapping

from packaging.version import Version

from topology.checks.istio import SUPPORTED_CANARY_SKEW, SUPPORTED_SKEW, skew, version
from topology.checks.keys import ROOT
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Cluster, Mesh
from topology.revisions import DEFAULT, Revision, declared_revisions
from topology.upgrade.installed import Installed, Proxies

SWITCH = f"`{ROOT}.allowVersionSkew: true`"
SHOWN = 3


def refused(mesh: Mesh, installed: Mapping[str, Installed]) -> list[Problem]:
    """What Istio does not support of the changes that the mesh declares; empty with ``allowVersionSkew``.

    Versions that are no numbers (``latest``) are not judged.

    Args:
        mesh: the declared mesh.
        installed: by cluster, what it has.
    """
    if mesh.allow_version_skew:
        return []
    return [
        problem
        for index, cluster in enumerate(mesh.clusters)
        if cluster.name in installed
        for problem in _of_cluster(f"{ROOT}.clusters[{index}].istio", mesh, cluster, installed[cluster.name])
    ]


def _of_cluster(key: str, mesh: Mesh, cluster: Cluster, installed: Installed) -> Iterator[Problem]:
    for place, revision in enumerate(declared_revisions(istio_of(mesh, cluster))):
        at = f"{key}.revisions[{place - 1}].version" if place else f"{key}.version"
        if present := installed.revisions.get(revision.name, ""):
            yield from _in_place(at, cluster.name, revision, present, installed.proxies)
        else:
            yield from _beside(at, cluster.name, revision, installed.revisions)


def _in_place(key: str, cluster: str, revision: Revision, present: str, proxies: Proxies | None) -> Iterator[Problem]:
    """Another version of an istiod that is there."""
    declared, of = revision.version, "" if revision.name == DEFAULT else f", revision {revision.name}"
    old, new = version(present), version(declared)
    if present == declared or old is None or new is None:
        return
    if (new.major, new.minor) < (old.major, old.minor):
        yield Problem(
            key,
            f"{cluster} has Istio {present}{of}, and {declared} is declared: its proxies would be newer than "
            "their istiod, which Istio does not support",
            f"Declare {present}; to go back all the same, write {SWITCH} for that time",
        )
    elif new.major != old.major or new.minor - old.minor > SUPPORTED_SKEW:
        yield Problem(
            key,
            f"{cluster} has Istio {present}{of}, and {declared} is declared: Istio supports an upgrade in "
            f"place by {SUPPORTED_SKEW} minor version",
            f"Declare a version of {old.major}.{old.minor + SUPPORTED_SKEW} first, or go by revisions "
            f"(`spanmesh revision add`); to skip versions all the same, write {SWITCH} for that time",
        )
    elif proxies and (behind := _left_behind(proxies.of(revision.name), new)):
        named = ", ".join(behind[:SHOWN]) + (f" and {len(behind) - SHOWN} more" if len(behind) > SHOWN else "")
        yield Problem(
            key,
            f"{cluster} still has proxies that istiod {declared} would not support: {named}",
            f"Restart their workloads first: `spanmesh upgrade --workloads --cluster {cluster}` before the "
            "version is changed",
        )


def _beside(key: str, cluster: str, revision: Revision, present: Mapping[str, str]) -> Iterator[Problem]:
    """A new istiod beside those that are there; those that are declared are held against each other before."""
    numbered = {name: number for name, text in present.items() if (number := version(text)) is not None}
    new = version(revision.version)
    if new is None or not numbered:
        return
    oldest = min(numbered, key=lambda name: numbered[name])
    if numbered[oldest] < new and skew(numbered[oldest], new) > SUPPORTED_CANARY_SKEW:
        yield Problem(
            key,
            f"{cluster} has Istio {present[oldest]}, revision {oldest}, and {revision.version} is declared beside it: "
            f"Istio supports an upgrade by revisions across {SUPPORTED_CANARY_SKEW} minor versions",
            f"Go by a version in between; to skip versions all the same, write {SWITCH} for that time",
        )


def _left_behind(proxies: Proxies, target: Version) -> list[str]:
    """The proxies that would be too old, a text for each version."""
    return [
        f"{count} of {text} in {', '.join(sorted(proxies.namespaces.get(text, ())))}"
        for text, count in sorted(proxies.versions.items())
        if (number := version(text)) is not None
        and (number.major != target.major or target.minor - number.minor > SUPPORTED_SKEW)
    ]
