"""Which Istio running clusters have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from live.client import api_client
from live.drift.helm_release import UnreadableRecordError
from live.drift.objects import Objects
from live.drift.releases import deployed
from live.kubeconfig import ClusterAccess
from live.policy.api import Api, Kind
from live.reachability import UnreachableError, explained
from live.upgrade.crd_ownership import own_crds
from live.upgrade.image import tag
from live.upgrade.proxies import Proxy, running_proxies
from topology.defaults import (
    BASE_RELEASE,
    EAST_WEST_GATEWAY,
    INGRESS_GATEWAY,
    ISTIOD_RELEASE,
    NAMESPACE,
    VERSION_LABEL,
)
from topology.upgrade import Installed, Proxies

DEPLOYMENTS = Kind("apps", "v1", "Deployment", "deployments")
GATEWAYS = (EAST_WEST_GATEWAY, INGRESS_GATEWAY)


@dataclass(frozen=True)
class Seen:
    """What one cluster has.

    Attributes:
        installed: versions, without the proxies of workloads.
        pods: for istiod and each of the mesh's gateways, by the name of its Deployment, how many pods it has.
        own_crds: the CRDs that the mesh's release brought and Helm does not count as its own.
    """

    installed: Installed
    pods: Mapping[str, int] = field(default_factory=dict)
    own_crds: tuple[str, ...] = ()


def seen_in(accesses: Mapping[str, ClusterAccess]) -> dict[str, Seen]:
    """What every cluster has, all asked at once.

    Args:
        accesses: the clusters, by Istio's name.

    Raises:
        UnreachableError: a cluster does not answer, or a record of Helm cannot be read.
    """
    if not accesses:
        return {}
    with ThreadPoolExecutor(max_workers=len(accesses)) as pool:
        return dict(zip(accesses, pool.map(seen, accesses.values()), strict=True))


def seen(access: ClusterAccess) -> Seen:
    """What one cluster has.

    Of istiod the record of Helm counts, which names a version only once its istiod has become ready; where there is
    none, as after `adopt`, the image.

    Args:
        access: the cluster.

    Raises:
        UnreachableError: it does not answer, or a record of Helm cannot be read.
    """
    with explained(access, "reading what is installed in istio-system"), api_client(access) as client:
        api = Api(client)
        try:
            releases = deployed(Objects(api))
        except UnreadableRecordError as error:
            cure = "See `helm history istiod -n istio-system`, or run `spanmesh repair`"
            raise UnreachableError(access.name, str(error), cure) from error
        found = {each["metadata"]["name"]: each for each in api.list(DEPLOYMENTS, NAMESPACE)}
        crds = own_crds(api, releases.get(BASE_RELEASE))
    release = releases.get(ISTIOD_RELEASE)
    said = str((release.values.get("global") or {}).get("tag") or "") if release else ""
    image = _image(found[ISTIOD_RELEASE]) if ISTIOD_RELEASE in found else ""
    gateways = {name: _made_for(found[name]) for name in GATEWAYS if name in found}
    pods = {name: found[name]["spec"].get("replicas", 1) for name in (ISTIOD_RELEASE, *GATEWAYS) if name in found}
    return Seen(Installed(said or tag(image), gateways), pods, tuple(crds))


def with_proxies(access: ClusterAccess, seen: Installed) -> Installed:
    """The same with the proxies of the cluster's workloads.

    Raises:
        UnreachableError: the cluster does not answer.
    """
    return replace(seen, proxies=counted(running_proxies(access)))


def counted(proxies: Iterable[Proxy]) -> Proxies:
    """How many proxies there are of each version, and where."""
    versions: defaultdict[str, int] = defaultdict(int)
    namespaces: defaultdict[str, set[str]] = defaultdict(set)
    for each in proxies:
        versions[each.version] += 1
        namespaces[each.version].add(each.namespace)
    return Proxies(dict(versions), {version: frozenset(names) for version, names in namespaces.items()})


def _image(deployment: Mapping[str, Any]) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(each["image"]) for each in containers if each["name"] == "discovery"), "")


def _made_for(deployment: Mapping[str, Any]) -> str:
    labels = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return str(labels.get(VERSION_LABEL) or "")
