"""Which Istio running clusters have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from live.client import api_client
from live.drift.helm_release import HelmRelease, UnreadableRecordError
from live.drift.objects import Objects
from live.drift.releases import deployed
from live.kubeconfig import ClusterAccess
from live.policy.api import INJECTORS, NAMESPACES, Api, Kind
from live.reachability import UnreachableError, explained
from live.upgrade.crd_ownership import own_crds
from live.upgrade.image import tag
from live.upgrade.proxies import Proxy, running_proxies
from policy.provenance import STACK
from topology.defaults import (
    BASE_RELEASE,
    EAST_WEST_GATEWAY,
    INGRESS_GATEWAY,
    ISTIOD_RELEASE,
    NAMESPACE,
    VERSION_LABEL,
)
from topology.revisions import DEFAULT, INJECTION, LABEL, TAG_LABEL, is_istiod, revision_of
from topology.upgrade import Installed, Proxies

DEPLOYMENTS = Kind("apps", "v1", "Deployment", "deployments")
GATEWAYS = (EAST_WEST_GATEWAY, INGRESS_GATEWAY)


@dataclass(frozen=True)
class Seen:
    """What one cluster has.

    Attributes:
        installed: versions, without the proxies of workloads.
        pods: for each istiod and each of the mesh's gateways, by the name of its Deployment, how many pods it has.
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

    Of an istiod the record of Helm counts, which names a version only once its istiod has become ready; where there is
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
        tags = [_labels(each) for each in api.list(INJECTORS, selector=TAG_LABEL)]
        asked = {name: named for name, named in map(_asked, api.list(NAMESPACES)) if named}
    istiods = {
        name: _version(name, releases, found)
        for name in sorted({*releases, *found} - {BASE_RELEASE})
        if is_istiod(name)
    }
    gateways = {
        name: found[name]["spec"]["template"]["metadata"].get("labels") or {} for name in GATEWAYS if name in found
    }
    installed = Installed(
        istiods.get(ISTIOD_RELEASE, ""),
        {name: str(labels.get(VERSION_LABEL) or "") for name, labels in gateways.items()},
        named={revision_of(name): version for name, version in istiods.items() if name != ISTIOD_RELEASE},
        injected_by={name: labels[LABEL] for name, labels in gateways.items() if LABEL in labels},
        tags={labels[TAG_LABEL]: labels.get(LABEL, DEFAULT) for labels in tags if STACK in labels},
        asked=asked,
        foreign_tags=frozenset(labels[TAG_LABEL] for labels in tags if STACK not in labels),
    )
    pods = {name: found[name]["spec"].get("replicas", 1) for name in (*istiods, *GATEWAYS) if name in found}
    return Seen(installed, pods, tuple(crds))


def _version(name: str, releases: Mapping[str, HelmRelease], deployments: Mapping[str, Any]) -> str:
    release = releases.get(name)
    said = str((release.values.get("global") or {}).get("tag") or "") if release else ""
    return said or tag(_image(deployments[name]) if name in deployments else "")


def _asked(namespace: Mapping[str, Any]) -> tuple[str, str]:
    """A namespace and the revision or tag that it asks for; the elder label comes first, as for the webhooks."""
    labels, name = _labels(namespace), str(namespace["metadata"]["name"])
    if INJECTION in labels:
        return name, DEFAULT if labels[INJECTION] == "enabled" else ""
    return name, labels.get(LABEL, "")


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def with_proxies(access: ClusterAccess, seen: Installed) -> Installed:
    """The same with the proxies of the cluster's workloads.

    Raises:
        UnreachableError: the cluster does not answer.
    """
    return replace(seen, proxies=counted(running_proxies(access)))


def counted(proxies: Iterable[Proxy]) -> Proxies:
    """How many proxies there are of each version and revision, and where."""
    every = list(proxies)
    names = sorted({each.revision for each in every})
    return replace(_counted(every), revisions={n: _counted([p for p in every if p.revision == n]) for n in names})


def _counted(proxies: Iterable[Proxy]) -> Proxies:
    versions: defaultdict[str, int] = defaultdict(int)
    namespaces: defaultdict[str, set[str]] = defaultdict(set)
    for each in proxies:
        versions[each.version] += 1
        namespaces[each.version].add(each.namespace)
    return Proxies(dict(versions), {version: frozenset(names) for version, names in namespaces.items()})


def _image(deployment: Mapping[str, Any]) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(each["image"]) for each in containers if each["name"] == "discovery"), "")
