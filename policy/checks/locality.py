"""Locality load balancing: what Istio refuses, and what does nothing in this mesh."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from policy.checks.held import Held, Policy, Settings, rule_host, settings
from policy.checks.reach import Reach
from policy.checks.routes import mapping, mappings, whole
from policy.document import Path
from policy.finding import Finding, Rule, at

FAILOVER = "https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/failover/"
SETTING = "https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting"
LOCALITY_LABELS = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)

NO_OUTLIER_DETECTION = Rule(
    "SM301",
    "Failover without outlierDetection",
    "error",
    "istiod gives localities a priority only where outlierDetection holds too: requests go to all regions alike, and "
    "nothing fails over",
    "Add trafficPolicy.outlierDetection beside it; settings of a port take nothing from those of the host",
    FAILOVER,
)
BOTH = Rule(
    "SM302",
    "distribute with failover",
    "error",
    "istiod refuses the DestinationRule: a locality setting divides requests or fails over, not both",
    "Keep failover (requests stay local until it fails) or distribute (fixed shares)",
    "https://github.com/istio/istio/issues/35124",
    acknowledgeable=False,
)
NO_SUCH_REGION = Rule(
    "SM303",
    "Region that no cluster has",
    "error",
    "Localities are compared by name, so the entry never matches: a failover from it does nothing, one to it goes to "
    "any other region, and a share sent to it is lost",
    "Name a region of the mesh",
    SETTING,
)
MESH_WIDE = Rule(
    "SM310",
    "Mesh-wide failover does not reach this host",
    "warning",
    "meshConfig.localityLbSetting fails over only hosts whose DestinationRule has outlierDetection",
    "Add trafficPolicy.outlierDetection, or switch locality load balancing off for this host "
    "(loadBalancer.localityLbSetting.enabled: false)",
    FAILOVER,
)
REFUSED = Rule(
    "SM311",
    "Locality setting that istiod refuses",
    "error",
    "istiod's webhook refuses the DestinationRule",
    "Write failover between two different regions, and shares of distribute from 1 to 100 that sum to 100",
    SETTING,
    acknowledgeable=False,
)
NOT_SERVED_THERE = Rule(
    "SM312",
    "Failover to a region that does not serve the host",
    "warning",
    "No endpoint has the region, so requests go to every other region alike when the local ones fail",
    "Name a region where the host runs, or run it there",
    SETTING,
)
RULES = (NO_OUTLIER_DETECTION, BOTH, NO_SUCH_REGION, MESH_WIDE, REFUSED, NOT_SERVED_THERE)


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Locality settings of every declared DestinationRule."""
    everywhere = mapping(reach.mesh_config("localityLbSetting"))
    mesh_wide = [key for key in ("failover", "failoverPriority") if everywhere.get(key)]
    if everywhere.get("enabled") is False:
        mesh_wide = []
    for held in policy.declared("DestinationRule"):
        seen: set[tuple[str, Path]] = set()
        for each in settings(held.document):
            for finding, path in _of(reach, held, each, mesh_wide):
                if (finding.rule.code, path) not in seen:
                    seen.add((finding.rule.code, path))
                    yield finding


def locality(each: Settings) -> tuple[Mapping[str, Any], Path] | None:
    """The locality setting that a trafficPolicy has of its own, and where it is written."""
    balancer = each["loadBalancer"]
    for key in ("zoneAwareLbSetting", "localityLbSetting"):
        if balancer and isinstance(found := balancer.get(key), Mapping):
            return found, (*each.written("loadBalancer"), key)
    return None


def detects_outliers(reach: Reach, each: Settings) -> bool:
    """Whether endpoints are left out after failures: here, or by the mesh's default."""
    default = mapping(reach.mesh_config("defaultTrafficPolicy"))
    own_port = bool(each.subset) and each.port is not None
    return each["outlierDetection"] is not None or ("outlierDetection" in default and not own_port)


def _of(reach: Reach, held: Held, each: Settings, mesh_wide: list[str]) -> Iterator[tuple[Finding, Path]]:
    own = locality(each)
    if own is None:
        if mesh_wide and not each.subset and each.port is None and not detects_outliers(reach, each):
            message = f"meshConfig.localityLbSetting.{mesh_wide[0]} is set, and {rule_host(held.document)} has no "
            yield at(held.document, each.path, MESH_WIDE, message + "outlierDetection"), each.path
        return
    setting, path = own
    if setting.get("enabled") is False:
        return
    document = held.document
    asked = [key for key in ("failover", "failoverPriority") if setting.get(key)]
    if asked and not detects_outliers(reach, each):
        where = f" of {each}" if str(each) else ""
        message = f"{asked[0]}{where} stands without outlierDetection"
        yield at(document, (*path, asked[0]), NO_OUTLIER_DETECTION, message), (*path, asked[0])
    for rule, inner, message in (*_refused(setting), *_unknown(reach, setting)):
        yield at(document, (*path, *inner), rule, message), (*path, *inner)
    yield from _unserved(reach, held, each, setting, path)


Broken = tuple[Rule, Path, str]
"""Rule, path below the setting, message."""


def _refused(setting: Mapping[str, Any]) -> Iterator[Broken]:
    distribute, failover = mappings(setting.get("distribute")), mappings(setting.get("failover"))
    if distribute and failover:
        yield BOTH, ("distribute",), f"{len(distribute)} distribute and {len(failover)} failover in one setting"
        return
    labels = setting.get("failoverPriority")
    for label in labels if failover and isinstance(labels, list) else ():
        if label in LOCALITY_LABELS:
            yield REFUSED, ("failoverPriority",), f"failover stands with the label {label} in failoverPriority"
    for index, entry in failover:
        yield from _refused_failover(index, str(entry.get("from") or ""), str(entry.get("to") or ""))
    yield from _refused_shares(distribute)


def _refused_failover(index: int, source: str, target: str) -> Iterator[Broken]:
    if source == target:
        yield REFUSED, ("failover", index), f"it fails over from {source} to itself"
    for key, region in (("from", source), ("to", target)):
        if "/" in region or "*" in region:
            yield REFUSED, ("failover", index, key), f"{region} is no region: failover knows regions only, no zones"


def _refused_shares(distribute: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Broken]:
    sources: list[str] = []
    for index, entry in distribute:
        shares = [whole(share) or 0 for share in mapping(entry.get("to")).values()]
        if any(share < 1 or share > 100 for share in shares) or sum(shares) != 100:
            written = " + ".join(map(str, shares))
            yield REFUSED, ("distribute", index, "to"), f"the shares {written} are {sum(shares)}"
        source = str(entry.get("from") or "")
        if source in sources:
            yield REFUSED, ("distribute", index, "from"), f"requests from {source} are divided twice"
        sources.append(source)


def _unknown(reach: Reach, setting: Mapping[str, Any]) -> Iterator[Broken]:
    if not reach.regions:
        return
    named: list[tuple[Path, Any]] = []
    for index, entry in mappings(setting.get("failover")):
        named += [(("failover", index, key), entry.get(key)) for key in ("from", "to")]
    for index, entry in mappings(setting.get("distribute")):
        named.append((("distribute", index, "from"), entry.get("from")))
        named += [(("distribute", index, "to", str(to)), to) for to in mapping(entry.get("to"))]
    for path, value in named:
        region = str(value or "").partition("/")[0]
        if region not in {"", "*"} and region not in reach.regions:
            near = difflib.get_close_matches(region, sorted(reach.regions), n=1)
            known = f"nearest: {near[0]}" if near else f"the mesh has {', '.join(sorted(reach.regions))}"
            yield NO_SUCH_REGION, path, f"no cluster is in {region} ({known})"


def _unserved(
    reach: Reach, held: Held, each: Settings, setting: Mapping[str, Any], path: Path
) -> Iterator[tuple[Finding, Path]]:
    host = rule_host(held.document)
    if not reach.regions or not all(reach.asked(cluster) for cluster in reach.clusters):
        return
    served = {reach.clusters[cluster].region for cluster in reach.clusters if reach.pods(host, cluster)}
    for index, entry in mappings(setting.get("failover")):
        target, inner = str(entry.get("to") or ""), (*path, "failover", index, "to")
        if served and target in reach.regions and target not in served:
            regions = ", ".join(sorted(filter(None, served)))
            message = f"{host} has no pods in {target}, only in {regions}"
            yield at(held.document, inner, NOT_SERVED_THERE, message), inner
