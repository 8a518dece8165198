"""Subsets that an update takes away while live routes still lead to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from live.policy.reading import Held, Identity, Object
from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.hosts import full_name
from policy.world import Placed

GROUP = "networking.istio.io"
WITHDRAWN = Rule(
    "SM505",
    "A subset goes before the routes to it",
    "warning",
    "Until each cluster's routes are changed too, requests to the subset get 503 (no cluster, NC), and those of other "
    "networks are reset, for the gateway in front of the pods does not know the subset any more",
    "Make it two updates: in the first change the routes and keep the subset, in the second take the subset away",
    "https://istio.io/latest/docs/ops/best-practices/traffic-management/"
    "#avoid-503-errors-while-reconfiguring-service-routes",
)
RULES = (WITHDRAWN,)
Subset = tuple[str, str]


def withdrawn_subsets(placed: Sequence[Placed], held: Mapping[str, Held]) -> list[Finding]:
    """Subsets of this stack's live DestinationRules that are declared no more, and that live routes still use.

    A route that is declared to use the subset still is left to the check of subsets that nobody defines.

    Args:
        placed: the declared policy.
        held: what was read of the clusters, by Istio's name.
    """
    findings: list[Finding] = []
    routes = {name: list(_live_routes(each)) for name, each in held.items()}
    for each in placed:
        rule = each.document
        if rule.identity[:2] != (GROUP, "DestinationRule"):
            continue
        for cluster in each.clusters:
            live = held[cluster].own.get(rule.identity) if cluster in held else None
            for subset in sorted(_subsets(live or {}) - _declared(placed, cluster)):
                findings += _users(rule, cluster, subset, placed, routes)
    return findings


def _users(
    rule: Document,
    cluster: str,
    subset: Subset,
    placed: Sequence[Placed],
    routes: Mapping[str, list[tuple[Identity, set[Subset]]]],
) -> Iterator[Finding]:
    users: dict[Identity, list[str]] = {}
    for where, each in routes.items():
        for identity, destinations in each:
            if subset in destinations and not _still(placed, where, identity, subset):
                users.setdefault(identity, []).append(where)
    host, name = subset
    for (_, kind, namespace, route), where_used in users.items():
        message = (
            f"subset {name} of {host} goes, and the live {kind} {namespace}/{route} in "
            f"{', '.join(where_used)} leads to it until it is changed"
        )
        yield at(rule, ("spec", "subsets"), WITHDRAWN, message, (cluster,))


def _declared(placed: Sequence[Placed], cluster: str) -> set[Subset]:
    documents = [p.document for p in placed if cluster in p.clusters and p.document.kind == "DestinationRule"]
    return {subset for document in documents for subset in _subsets(document.body)}


def _subsets(rule: Object) -> set[Subset]:
    spec: Mapping[str, Any] = rule.get("spec") or {}
    namespace = str((rule.get("metadata") or {}).get("namespace") or "")
    host = full_name(str(spec.get("host") or ""), namespace)
    return {(host, str(subset.get("name"))) for subset in spec.get("subsets") or [] if isinstance(subset, Mapping)}


def _live_routes(held: Held) -> Iterator[tuple[Identity, set[Subset]]]:
    own = list(held.own.values())
    for item in [*own, *held.live.others]:
        if item["kind"] == "VirtualService":
            metadata = item["metadata"]
            namespace = str(metadata["namespace"])
            key = (GROUP, "VirtualService", namespace, str(metadata["name"]))
            yield key, set(_destinations(item.get("spec"), namespace))


def _still(placed: Sequence[Placed], cluster: str, identity: Identity, subset: Subset) -> bool:
    return any(
        subset in set(_destinations(p.document.spec, p.document.namespace))
        for p in placed
        if p.document.identity == identity and cluster in p.clusters
    )


def _destinations(value: Any, namespace: str) -> Iterator[Subset]:
    if isinstance(value, Mapping):
        if value.get("host") and value.get("subset"):
            yield full_name(str(value["host"]), namespace), str(value["subset"])
        for each in value.values():
            yield from _destinations(each, namespace)
    elif isinstance(value, list):
        for each in value:
            yield from _destinations(each, namespace)
