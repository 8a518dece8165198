"""Canary weights on a host that also fails over between regions."""

from collections.abc import Iterator, Mapping

from policy.checks.held import Held, Policy, Settings, settings
from policy.checks.locality import detects_outliers, locality
from policy.checks.reach import Reach
from policy.checks.routes import Destination, Route, mapping, percent
from policy.finding import Finding, Rule, at

VERSION_FIRST = Rule(
    "SM306",
    "Canary weights with locality failover",
    "warning",
    "Weights choose the version first, and each version fails over between regions on its own: requests for a version "
    "whose endpoints are all gone fail, however many of the other version are healthy",
    "Run every version in every region that may have to take over; before a region or version is taken down, "
    "move its weight to the other version",
    "https://github.com/istio/istio/issues/41787",
)
RULES = (VERSION_FIRST,)


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Routes that divide requests among versions of a host that fails over."""
    if len({c.region for c in reach.clusters.values()}) < 2:
        return
    for route in reach.facts.routes:
        for host, versions in _versions(route).items():
            clusters = tuple(c for c in route.placed.clusters if _fails_over(reach, policy, c, host))
            if len(versions) > 1 and clusters and not reach.cluster_local(host):
                yield from _explained(reach, policy, route, versions, clusters)


def _versions(route: Route) -> Mapping[str, list[Destination]]:
    """Destinations that get requests, by host; those of no subset are no version."""
    found: dict[str, list[Destination]] = {}
    for destination in route.destinations:
        if destination.subset and route.share(destination) > 0:
            found.setdefault(destination.host, []).append(destination)
    return found


def _fails_over(reach: Reach, policy: Policy, cluster: str, host: str) -> bool:
    return any(_failover(reach, each) for rule in policy.rules_for(cluster, host) for each in settings(rule.document))


def _failover(reach: Reach, each: Settings) -> bool:
    own = locality(each)
    # Istio's own default is enabled: outlierDetection alone makes requests stay in their region.
    setting = own[0] if own else mapping(reach.mesh_config("localityLbSetting"))
    return setting.get("enabled") is not False and not setting.get("distribute") and detects_outliers(reach, each)


def _explained(
    reach: Reach, policy: Policy, route: Route, versions: list[Destination], clusters: tuple[str, ...]
) -> Iterator[Finding]:
    labels = _labels(policy.rules_for(clusters[0], versions[0].host))
    said = [_said(reach, route, version, labels.get(version.subset), clusters) for version in versions]
    shares = " and ".join(f"{percent(route.share(v))} to {v.subset}" for v in versions)
    message = f"{versions[0].host} gets {shares}, and fails over between regions inside each. {'. '.join(said)}"
    yield at(route.placed.document, route.path, VERSION_FIRST, message, clusters)


def _said(
    reach: Reach, route: Route, version: Destination, labels: Mapping[str, str] | None, clusters: tuple[str, ...]
) -> str:
    share, name = percent(route.share(version)), version.subset
    there = [reach.pods(version.host, c, labels) if labels is not None else None for c in reach.clusters]
    ready = {c: sum(p.ready for p in pods or ()) for c, pods in zip(reach.clusters, there, strict=True)}
    regions = list(dict.fromkeys(reach.clusters[c].region or c for c, count in ready.items() if count))
    if any(pods is None for pods in there):
        may = list(reach.serving(version.host, labels or {}))
        places = list(dict.fromkeys(reach.clusters[c].region or c for c in may))
        return f"If {name} fails in {' and '.join(places) or 'every region'}, {share} of requests fail"
    counted = ", ".join(f"{count} in {c}" for c, count in ready.items() if count)
    if not counted:
        return f"{name} has no ready pod: {share} of requests from {', '.join(clusters)} fail now"
    if len(regions) == 1:
        far = [c for c in clusters if (reach.clusters[c].region or c) != regions[0]]
        wan = f": {share} of requests from {', '.join(far)} leave their region" if far else ""
        return f"{name} ({counted}) is in {regions[0]} only{wan}, and when it fails there, {share} of all requests fail"
    return (
        f"{name} ({counted}) fails over between {' and '.join(regions)}; if it fails in all, {share} of requests fail"
    )


def _labels(rules: list[Held]) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for rule in rules:
        for name, (_, labels) in rule.subsets.items():
            found.setdefault(name, labels)
    return found
