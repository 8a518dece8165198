"""Changes of version that Istio does not support.

An installed version may be at most one minor version older than the one that replaces it:
https://istio.io/latest/docs/setup/upgrade/in-place/#upgrade-prerequisites. Proxies may be one minor version older than
their istiod, and never newer: https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew
"""

from collections.abc import Iterator, Mapping

from packaging.version import Version

from topology.checks.istio import SUPPORTED_SKEW, version
from topology.checks.keys import ROOT
from topology.defaults import istio_of
from topology.errors import Problem
from topology.model import Cluster, Mesh
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
        for problem in _of_cluster(f"{ROOT}.clusters[{index}].istio.version", mesh, cluster, installed[cluster.name])
    ]


def _of_cluster(key: str, mesh: Mesh, cluster: Cluster, installed: Installed) -> Iterator[Problem]:
    declared = istio_of(mesh, cluster).version or ""
    old, new = version(installed.istiod), version(declared)
    if installed.istiod == declared or old is None or new is None:
        return
    if (new.major, new.minor) < (old.major, old.minor):
        yield Problem(
            key,
            f"{cluster.name} has Istio {installed.istiod}, and {declared} is declared: its proxies would be newer than "
            "their istiod, which Istio does not support",
            f"Declare {installed.istiod}; to go back all the same, write {SWITCH} for that time",
        )
    elif new.major != old.major or new.minor - old.minor > SUPPORTED_SKEW:
        yield Problem(
            key,
            f"{cluster.name} has Istio {installed.istiod}, and {declared} is declared: Istio supports an upgrade in "
            f"place by {SUPPORTED_SKEW} minor version",
            f"Declare a version of {old.major}.{old.minor + SUPPORTED_SKEW} first; to skip versions all the same, "
            f"write {SWITCH} for that time",
        )
    elif installed.proxies and (behind := _left_behind(installed.proxies, new)):
        named = ", ".join(behind[:SHOWN]) + (f" and {len(behind) - SHOWN} more" if len(behind) > SHOWN else "")
        yield Problem(
            key,
            f"{cluster.name} still has proxies that istiod {declared} would not support: {named}",
            f"Restart their workloads first: `spanmesh upgrade --workloads --cluster {cluster.name}` before the "
            "version is changed",
        )


def _left_behind(proxies: Proxies, target: Version) -> list[str]:
    """The proxies that would be too old, a text for each version."""
    return [
        f"{count} of {text} in {', '.join(sorted(proxies.namespaces.get(text, ())))}"
        for text, count in sorted(proxies.versions.items())
        if (number := version(text)) is not None
        and (number.major != target.major or target.minor - number.minor > SUPPORTED_SKEW)
    ]
