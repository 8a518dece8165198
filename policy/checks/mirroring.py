"""Policy that some clusters have, and others miss."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy.checks.held import (
    Held,
    Policy,
    namespace_of,
    route_hosts,
    rule_host,
    selects_workloads,
)
from policy.checks.reach import Reach
from policy.checks.routes import Destination, Route, mapping
from policy.document import Document
from policy.finding import Finding, Rule, at
from policy.hosts import service_of

EAST_WEST_NAMESPACE = "istio-system"

NARROWED = Rule(
    "SM403",
    "Policy narrowed while others need it",
    "warning",
    "An istiod reads policy of its own cluster only: in the clusters without it everything does as it did before",
    "Take the narrowing away, or give the other clusters one of their own",
    "https://github.com/istio/istio/issues/33253",
)
MISSING_SUBSET = Rule(
    "SM404",
    "Subset missing in a cluster that needs it",
    "error",
    "A client without the subset answers 503, for it has no such cluster. An east-west gateway without it has no "
    "entry for the SNI that the client sends, and resets the connection: the client sees a TLS error",
    "Let the DestinationRule go to all clusters: to those that route by it, and to those that serve the host",
    "https://github.com/istio/istio/issues/40673",
)
UNSEEN_SUBSET = Rule(
    "SM405",
    "Subset that the east-west gateway does not see",
    "error",
    "The gateway takes DestinationRules of its own, the Service's and the root namespace only, where exportTo lets it: "
    "without the subset it has no entry for the SNI that clients send, and resets the connection",
    "Put the DestinationRule in the Service's namespace, with exportTo that has * or istio-system",
    "https://github.com/istio/istio/issues/40673",
)
RULES = (NARROWED, MISSING_SUBSET, UNSEEN_SUBSET)
OF_SERVERS = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Policy narrowed to some clusters, and subsets that a client's or a server's cluster misses."""
    if not reach.clusters:
        return
    for held in policy.declared("VirtualService", "DestinationRule"):
        if len(held.clusters) < len(reach.clusters):
            yield from _of_clients(reach, policy, held)
    covered = _covered(reach, policy)
    for held in policy.declared(*OF_SERVERS):
        if len(held.clusters) < len(reach.clusters):
            yield from _of_servers(reach, held, covered)
    yield from _subsets(reach, policy)


def _of_clients(reach: Reach, policy: Policy, held: Held) -> Iterator[Finding]:
    document = held.document
    routes = document.kind == "VirtualService"
    if not routes and not document.spec.get("trafficPolicy"):
        return
    hosts = route_hosts(document) if routes else [rule_host(document)]
    there = policy.routes if routes else policy.rules
    missing: dict[str, list[str]] = {}
    for host in hosts:
        for cluster in reach.clusters:
            if cluster in held.clusters or there(cluster, host) or not _may_call(reach, held, host, cluster):
                continue
            missing.setdefault(cluster, []).append(host)
    if missing and held.clusters:
        named = ", ".join(dict.fromkeys(host for found in missing.values() for host in found))
        message = (
            f"it is in {', '.join(held.clusters)} only; requests to {named} from {', '.join(missing)} "
            f"know nothing of its {'routes' if routes else 'trafficPolicy'}"
        )
        yield at(document, _narrowing(document), NARROWED, message, tuple(missing))


def _may_call(reach: Reach, held: Held, host: str, cluster: str) -> bool:
    """Whether a cluster may have clients of the host: one that was asked has to resolve it, and to have sidecars."""
    if service_of(host) is None:
        # A host outside is there where its ServiceEntry is; nothing is known of one that has none at all.
        return bool(reach.facts.entries(cluster, host)) or not any(reach.facts.entries(c, host) for c in held.clusters)
    live = reach.facts.world.live.get(cluster)
    if live is None:
        return True
    sidecars = any(p.injected for p in live.pods) or any(live.namespaces.values())
    return sidecars and reach.resolves(host, cluster) is not False


Key = tuple[str, str, tuple[tuple[str, str], ...]]


def _key(document: Document) -> Key:
    return document.kind, document.namespace, tuple(sorted(_selector(document).items()))


def _covered(reach: Reach, policy: Policy) -> dict[Key, set[str]]:
    """Clusters that have a policy of that kind for those pods, and for them alone.

    What is in every cluster stands in for nothing: such policies add up.
    """
    found: dict[Key, set[str]] = {}
    for kind in OF_SERVERS:
        for held in policy.of_kind.get(kind, ()):
            if len(held.clusters) < len(reach.clusters):
                found.setdefault(_key(held.document), set()).update(held.clusters)
    return found


def _of_servers(reach: Reach, held: Held, covered: Mapping[Key, set[str]]) -> Iterator[Finding]:
    document = held.document
    if document.spec.get("targetRefs") or document.spec.get("targetRef") or not held.clusters:
        return
    missing = [c for c in reach.clusters if c not in covered[_key(document)] and _has_pods(reach, document, c)]
    if missing:
        labels = ", ".join(f"{k}={v}" for k, v in _selector(document).items())
        whose = f"pods with {labels} of {document.namespace}" if labels else f"pods of {document.namespace}"
        message = f"it is in {', '.join(held.clusters)} only; {whose} in {', '.join(missing)} are not held to it"
        yield at(document, _narrowing(document), NARROWED, message, tuple(missing))


def _has_pods(reach: Reach, document: Document, cluster: str) -> bool:
    labels = _selector(document)
    if labels.get("istio") == "ingressgateway" and reach.clusters[cluster].ingress is None:
        return False
    live = reach.facts.world.live.get(cluster)
    everywhere = document.namespace == reach.root_namespace
    return live is None or any(
        (everywhere or p.namespace == document.namespace) and labels.items() <= dict(p.labels).items()
        for p in live.pods
    )


def _selector(document: Document) -> dict[str, str]:
    labels = mapping(mapping(document.spec.get("selector")).get("matchLabels"))
    return {str(k): str(v) for k, v in labels.items()}


def _narrowing(document: Document) -> tuple[str, ...]:
    key = next((k for k in ("clusters", "networks", "regions") if f"spanmesh.io/{k}" in document.annotations), None)
    return ("metadata", "annotations", f"spanmesh.io/{key}") if key else ()


@dataclass
class _Missing:
    """Where one subset is missing, and where the finding stands."""

    document: Document
    path: tuple[str | int, ...]
    of_clients: dict[str, None] = field(default_factory=dict)
    of_servers: dict[tuple[str, str], None] = field(default_factory=dict)
    unseen: dict[tuple[str, str], None] = field(default_factory=dict)
    shown: str = "*"


def _subsets(reach: Reach, policy: Policy) -> Iterator[Finding]:
    found: dict[tuple[str, str], _Missing] = {}
    for route in reach.facts.routes:
        for destination in (*route.destinations, *route.mirrors):
            if destination.subset and (destination.mirror or route.share(destination) > 0):
                _look(reach, policy, route, destination, found)
    for (host, subset), missing in found.items():
        yield from _told(reach, host, subset, missing)


def _look(
    reach: Reach, policy: Policy, route: Route, destination: Destination, found: dict[tuple[str, str], _Missing]
) -> None:
    host, subset = destination.host, destination.subset
    defining = {c: [r for r in policy.rules_for(c, host) if subset in r.subsets] for c in reach.clusters}
    rules = [rule for there in defining.values() for rule in there]
    if not rules:
        return
    rule = next((r for r in rules if r.declared), None)
    document, path = (rule.document, rule.subsets[subset][0]) if rule else (None, ())
    missing = found.setdefault((host, subset), _Missing(document or route.placed.document, path or destination.path))
    labels = rules[0].subsets[subset][1]
    clients = route.placed.clusters
    missing.of_clients |= dict.fromkeys(c for c in clients if not defining[c])
    of_gateways = {c: [r for r in there if not selects_workloads(r.document)] for c, there in defining.items()}
    seen = {c for c, there in of_gateways.items() if any(_gateway_sees(reach, r, host) for r in there)}
    for client, peer in reach.crossings(host, clients, labels):
        if peer not in seen:
            where = missing.unseen if of_gateways[peer] else missing.of_servers
            where[client, peer] = None
    missing.shown = ", ".join(rules[0].seen_in)


def _gateway_sees(reach: Reach, rule: Held, host: str) -> bool:
    namespace = rule.document.namespace
    if namespace == EAST_WEST_NAMESPACE:
        return True
    return namespace in {namespace_of(host), reach.root_namespace} and rule.seen_from(EAST_WEST_NAMESPACE)


def _told(reach: Reach, host: str, subset: str, missing: _Missing) -> Iterator[Finding]:
    document, path = missing.document, missing.path
    if missing.of_clients:
        clients = tuple(missing.of_clients)
        message = f"{', '.join(clients)} routes to subset {subset} of {host} and has no DestinationRule with it"
        yield at(document, path, MISSING_SUBSET, f"{message}: its requests get 503", clients)
    if missing.of_servers:
        message = f"has no DestinationRule with subset {subset} of {host}: its east-west gateway resets connections"
        yield at(document, path, MISSING_SUBSET, *_between(reach, missing.of_servers, message))
    if missing.unseen:
        message = (
            f"hides subset {subset} of {host} from its east-west gateway (namespace {document.namespace}, exportTo "
            f"{missing.shown}), which resets connections"
        )
        yield at(document, path, UNSEEN_SUBSET, *_between(reach, missing.unseen, message))


def _between(reach: Reach, pairs: Iterable[tuple[str, str]], message: str) -> tuple[str, tuple[str, ...]]:
    servers = tuple(dict.fromkeys(server for _, server in pairs))
    clients = dict.fromkeys(client for client, _ in pairs)
    places = ", ".join(reach.place(server) for server in servers)
    return f"{places} {message} from {', '.join(clients)}", servers
