"""Outlier detection where a whole network is one address."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy.checks.held import Held, Policy, Settings, rule_host, settings
from policy.checks.reach import Reach
from policy.checks.routes import whole
from policy.document import Path
from policy.finding import Finding, Rule, at

ONE_ADDRESS = Rule(
    "SM307",
    "Outlier detection that one gateway address can trip",
    "warning",
    "Clients know the pods of another network by the addresses of its east-west gateway only, so what one pod answers "
    "counts against all of them: few bad answers leave out the whole network",
    "Let 3 errors or more in a row count, best as consecutiveGatewayErrors (an application's own 500 is none); or keep "
    "baseEjectionTime below 10s; or leave out fewer (maxEjectionPercent below 50)",
    "https://github.com/istio/istio/issues/52435",
)
RULES = (ONE_ADDRESS,)
FEW_ERRORS, LONG_EJECTION, HALF = 2, 10.0, 50
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Outlier detection of hosts that cross networks, where at most two errors leave out half of the addresses or more
    for ten seconds or longer."""
    for held in policy.declared("DestinationRule") if reach.several_networks else ():
        seen: set[Path] = set()
        labels = held.subsets
        for each in settings(held.document):
            detection, path = each["outlierDetection"], each.written("outlierDetection")
            if detection is not None and path not in seen and (trip := _trips(detection)):
                of_subset = labels[each.subset][1] if each.subset in labels else {}
                crossings = reach.crossings(rule_host(held.document), held.clusters, of_subset)
                if crossings:
                    seen.add(path)
                    yield _finding(reach, held, each, trip, crossings)


def _trips(detection: Mapping[str, Any]) -> str | None:
    """The key that trips after few errors, if what follows is long and wide."""
    ejection = _seconds(detection.get("baseEjectionTime"), 30.0)
    if (whole(detection.get("maxEjectionPercent")) or 10) < HALF or ejection < LONG_EJECTION:
        return None
    for key in ("consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveErrors"):
        if 0 < (whole(detection.get(key)) or 0) <= FEW_ERRORS:
            return key
    return None


def _finding(reach: Reach, held: Held, each: Settings, trip: str, crossings: list[tuple[str, str]]) -> Finding:
    detection, path = each["outlierDetection"] or {}, each.written("outlierDetection")
    behind: dict[str, list[str]] = {}
    for _, peer in crossings:
        clusters = behind.setdefault(reach.clusters[peer].network, [])
        if peer not in clusters:
            clusters.append(peer)
    networks = "; ".join(f"{network}: {', '.join(clusters)}" for network, clusters in behind.items())
    count, clients = whole(detection.get(trip)) or 0, dict.fromkeys(client for client, _ in crossings)
    host, of_subset = rule_host(held.document), f" (subset {each.subset})" if each.subset else ""
    message = (
        f"{trip} {count}: {'one bad answer' if count == 1 else f'{count} bad answers in a row'} of {host}{of_subset} "
        f"from another network ({networks}) can leave out everything behind that gateway address for "
        f"{detection.get('baseEjectionTime') or '30s'} in the client that got it"
    )
    return at(held.document, (*path, trip), ONE_ADDRESS, message, tuple(clients))


def _seconds(value: object, default: float) -> float:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", value) if isinstance(value, str) else []
    return sum(float(number) * SECONDS[unit] for number, unit in parts) if parts else default
