"""Istio's values and versions."""

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from topology.checks.keys import ROOT, cluster_keys
from topology.checks.known_faults import faults
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Istio, Mesh

# What says which mesh, cluster and image a proxy belongs to: one place to set it, or the parts of a mesh disagree.
IDENTITY_VALUES = {
    "global.hub": "istio.hub",
    "global.tag": "istio.version",
    "global.meshID": "id",
    "global.network": "network",
    "global.multiCluster.clusterName": "name",
    "global.imagePullSecrets": "istio.imagePullSecrets",
    "meshConfig.trustDomain": "trustDomain",
}
# https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew
SUPPORTED_SKEW = 1
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
        if _skew(number, numbered[newest]) > SUPPORTED_SKEW and not mesh.allow_version_skew:
            yield Problem(
                f"{key}.istio.version",
                f"{cluster.name} has Istio {number} and {newest} has {numbered[newest]}: Istio supports "
                f"{SUPPORTED_SKEW} minor version apart",
                f"Upgrade one minor version at a time, or write `{ROOT}.allowVersionSkew: true` for the upgrade",
            )
        rotates = cluster.access.rotate or mesh.access.rotate
        if rotates and LOSES_ENDPOINTS[0] <= number <= LOSES_ENDPOINTS[1]:
            yield Problem(
                f"{key}.istio.version" if cluster.access.rotate else f"{ROOT}.access.rotate",
                f"istiod {number} of {cluster.name} loses the endpoints of a cluster whose token is made anew "
                "(istio#61043)",
                "Upgrade to 1.30.4 or later first",
            )


def known_faults(mesh: Mesh) -> Iterator[Problem]:
    """Declared versions that are known to break a mesh of several clusters: to be shown as warnings."""
    told: dict[str, Problem] = {}
    for key, cluster in cluster_keys(mesh):
        declared = istio_of(mesh, cluster).version
        if found := faults(version(declared)):
            at = f"{key}.istio.version" if cluster.istio.version else f"{ROOT}.istio.version"
            cause = f"Istio {declared}: {'; '.join(map(str, found))}"
            told.setdefault(at, Problem(at, cause, f"Declare {max(each.fixed for each in found)} or later"))
    yield from told.values()


def version(text: str | None) -> Version | None:
    """An Istio version as one that can be compared; None for a name such as ``latest``."""
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _skew(older: Version, newer: Version) -> int:
    return newer.minor - older.minor if newer.major == older.major else SUPPORTED_SKEW + 1
