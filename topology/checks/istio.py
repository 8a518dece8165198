"""Istio's values and versions."""

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from topology.checks.keys import ROOT, cluster_keys
from topology.checks.known_faults import faults
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Istio, Mesh
from topology.revisions import by_revisions, declared_revisions

# What says which mesh, cluster and image a proxy belongs to: one place to set it, or the parts of a mesh disagree.
IDENTITY_VALUES = {
    "global.hub": "istio.hub",
    "global.tag": "istio.version",
    "global.meshID": "id",
    "global.network": "network",
    "global.multiCluster.clusterName": "name",
    "global.imagePullSecrets": "istio.imagePullSecrets",
    "meshConfig.trustDomain": "trustDomain",
    "revision": "istio.revision",
    "revisionTags": "istio.tags",
}
# https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew
SUPPORTED_SKEW = 1
# "Revision-based upgrades are supported across two minor versions": https://istio.io/latest/docs/setup/upgrade/canary/
SUPPORTED_CANARY_SKEW = 2
# istio#61043: a changed remote Secret loses the endpoints of its cluster; fixed in 1.30.4.
LOSES_ENDPOINTS = (Version("1.30.0"), Version("1.30.3"))


def identity_in_values(mesh: Mesh) -> Iterator[Problem]:
    """Values of the chart that the stack file has keys of its own for."""
    yield from _identity_in_values(f"{ROOT}.istio", mesh.istio)
    for key, cluster in cluster_keys(mesh):
        yield from _identity_in_values(f"{key}.istio", cluster.istio)


def _identity_in_values(key: str, istio: Istio) -> Iterator[Problem]:
    for path, own_key in IDENTITY_VALUES.items():
        at: object = istio.values
        for step in path.split("."):
            at = at.get(step) if isinstance(at, dict) else None
        if at is not None:
            cause = f"it is set by the stack file's own key `{own_key}`"
            yield Problem(f"{key}.values.{path}", cause, "Remove it here")


def versions(mesh: Mesh) -> Iterator[Problem]:
    """Versions that are too far apart, or that lose endpoints when tokens are made anew."""
    found = {cluster.name: version(istio_of(mesh, cluster).version) for cluster in mesh.clusters}
    numbered = {name: number for name, number in found.items() if number is not None}
    if not numbered:
        return
    newest = max(numbered, key=lambda name: numbered[name])
    for key, cluster in cluster_keys(mesh):
        number = numbered.get(cluster.name)
        if number is None:
            continue
        # One after the other, clusters go over to a revision that may be two minor versions newer.
        canary = any(by_revisions(istio_of(mesh, each)) for each in (cluster, mesh.cluster(newest)))
        supported = SUPPORTED_CANARY_SKEW if canary else SUPPORTED_SKEW
        if skew(number, numbered[newest]) > supported and not mesh.allow_version_skew:
            yield Problem(
                f"{key}.istio.version",
                f"{cluster.name} has Istio {number} and {newest} has {numbered[newest]}: Istio supports "
                f"{supported} minor version{'s' if canary else ''} apart",
                f"Upgrade one minor version at a time, or write `{ROOT}.allowVersionSkew: true` for the upgrade",
            )
        rotates = cluster.access.rotate or mesh.access.rotate
        running = [each.version for each in declared_revisions(istio_of(mesh, cluster))]
        faulty = [
            text for text in running if (each := version(text)) and LOSES_ENDPOINTS[0] <= each <= LOSES_ENDPOINTS[1]
        ]
        if rotates and faulty:
            yield Problem(
                f"{key}.istio.version" if cluster.access.rotate else f"{ROOT}.access.rotate",
                f"istiod {faulty[0]} of {cluster.name} loses the endpoints of a cluster whose token is made anew "
                "(istio#61043)",
                "Upgrade to 1.30.4 or later first",
            )


def known_faults(mesh: Mesh) -> Iterator[Problem]:
    """Declared versions that are known to break a mesh of several clusters: to be shown as warnings."""
    told: dict[str, Problem] = {}
    for key, cluster in cluster_keys(mesh):
        for place, revision in enumerate(declared_revisions(istio_of(mesh, cluster))):
            if found := faults(version(revision.version)):
                own = cluster.istio.revisions if place else cluster.istio.version
                name = f"revisions[{place - 1}].version" if place else "version"
                at = f"{key if own else ROOT}.istio.{name}"
                cause = f"Istio {revision.version}: {'; '.join(map(str, found))}"
                told.setdefault(at, Problem(at, cause, f"Declare {max(each.fixed for each in found)} or later"))
    yield from told.values()


def version(text: str | None) -> Version | None:
    """An Istio version as one that can be compared; None for a name such as ``latest``."""
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def skew(older: Version, newer: Version) -> int:
    """How many minor versions they are apart; of another major version, more than Istio supports."""
    return newer.minor - older.minor if newer.major == older.major else SUPPORTED_CANARY_SKEW + 1
