"""Subsets that routes name: whether they are defined, and where their endpoints are."""

from collections.abc import Iterator

from policy.checks.facts import ISTIO, Facts
from policy.checks.reach import Reach
from policy.checks.routes import Destination, Route, mappings, percent
from policy.finding import Finding, Rule, at

SUBSET = "https://istio.io/latest/docs/reference/config/networking/destination-rule/#Subset"
MULTICLUSTER = "https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/"

UNDEFINED = Rule(
    "SM202",
    "Subset not defined",
    "error",
    "Envoy has no cluster of that name: every request of this share is answered with 503",
    "Define the subset in the DestinationRule of the host, in every cluster where the route goes",
    "https://istio.io/latest/docs/ops/best-practices/traffic-management/"
    "#avoid-503-errors-while-reconfiguring-service-routes",
)
TWICE = Rule(
    "SM203",
    "Subset defined twice",
    "error",
    "istiod refuses the DestinationRule: duplicate subset names",
    "Give one of the two another name, or take it away",
    SUBSET,
    acknowledgeable=False,
)
ONE_CLUSTER = Rule(
    "SM210",
    "Endpoints in one cluster only",
    "warning",
    "The weight chooses the version before any locality counts: from all other clusters its whole share leaves for "
    "that one cluster, with the latency of the way and with no other endpoint to fail over to",
    "Run the version in every cluster that has clients of it, or acknowledge SM210 for the time of a canary",
    MULTICLUSTER,
)
EMPTY = Rule(
    "SM211",
    "Subset without endpoints",
    "error",
    "Envoy has the subset, but no endpoint in it: its share is answered with 503 (no healthy upstream)",
    "Start pods with these labels first, or mend the labels of the subset",
    SUBSET,
)
UNSEEN = Rule(
    "SM218",
    "Subset that nothing declared defines",
    "warning",
    "Unless somebody else's DestinationRule in these clusters defines it, every request of its share is answered "
    "with 503",
    "Declare the DestinationRule of the host beside the route, so that both go to the same clusters",
    UNDEFINED.source,
)
RULES = (UNDEFINED, TWICE, ONE_CLUSTER, EMPTY, UNSEEN)


def check(facts: Facts) -> Iterator[Finding]:
    """Subsets not defined, defined twice, without endpoints, or with endpoints in one cluster only."""
    yield from _twice(facts)
    reach = Reach(facts)
    for route in facts.routes:
        for destination in (*route.destinations, *route.mirrors):
            if destination.subset:
                yield from _undefined(facts, route, destination)
            yield from _endpoints(facts, reach, route, destination)


def _twice(facts: Facts) -> Iterator[Finding]:
    for placed in facts.world.of_kind("DestinationRule"):
        first: dict[str, int] = {}
        for index, subset in mappings(placed.document.spec.get("subsets")):
            name = str(subset.get("name") or "")
            path = ("spec", "subsets", index)
            if placed.document.group == ISTIO and name in first:
                line = placed.document.line_of("spec", "subsets", first[name])
                yield at(placed.document, path, TWICE, f"subset {name} stands in line {line} already")
            first.setdefault(name, index)


def _undefined(facts: Facts, route: Route, destination: Destination) -> Iterator[Finding]:
    """Of a cluster that was asked, all that defines subsets is known; else a DestinationRule beside the route tells.

    A subset that some cluster has, and the client's lacks, is told by what is said of mirroring (SM404).
    """
    host, subset = destination.host, destination.subset
    share = route.share(destination)
    # Istio leaves out destinations of weight 0.
    if any(subset in facts.subsets(c, host) for c in facts.places) or not (share or destination.mirror):
        return
    places = facts.where(route.placed)
    certain = tuple(c for c in places if c in facts.world.live or facts.rules(c, host))
    unseen = tuple(c for c in places if c and c not in certain)
    said = "the copies go" if destination.mirror else f"{percent(share)} of the requests go"
    for rule, clusters in ((UNDEFINED, certain), (UNSEEN, unseen)):
        if clusters:
            has = _defined(facts, clusters, host)
            named = tuple(c for c in clusters if c)
            path = (*destination.path, "subset")
            yield at(route.placed.document, path, rule, f"{said} to {destination}, and {has}", named)


def _defined(facts: Facts, clusters: tuple[str, ...], host: str) -> str:
    known = ", ".join(sorted({name for c in clusters for name in facts.subsets(c, host)})) or "no subset"
    rules = [rule for c in clusters for rule in facts.rules(c, host)]
    if not rules:
        return f"no DestinationRule has the host {host}"
    place = f" ({rules[0].file}:{rules[0].line})" if rules[0].file else ", of another owner,"
    return f"{rules[0]}{place} has {known}"


def _endpoints(facts: Facts, reach: Reach, route: Route, destination: Destination) -> Iterator[Finding]:
    share = route.share(destination)
    if not (destination.subset or len(route.destinations) > 1) or share == 0:
        return
    document = route.placed.document
    path = (*destination.path, "subset") if destination.subset else destination.host_path
    if reach.cluster_local(destination.host):
        return
    found = {c: facts.endpoints(c, destination.host, destination.subset) for c in facts.where(route.placed)}
    # Where no pod of the Service runs at all, it is not the subset that is wrong.
    empty = tuple(c for c, pods in found.items() if pods == {} and facts.endpoints(c, destination.host))
    if empty and destination.subset:
        labels = facts.subsets(empty[0], destination.host)[destination.subset]
        wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
        message = f"no pod of {destination.written} in any cluster has {wanted}: {percent(share)} of the requests fail"
        yield at(document, path, EMPTY, message, empty)
    alone = {c: next(iter(pods)) for c, pods in found.items() if pods and len(pods) == 1}
    for server in dict.fromkeys(alone.values()):
        clients = tuple(c for c, only in alone.items() if only == server and c != server and facts.far(c, server))
        if clients:
            over = [c for c in clients if facts.crosses(c, server)]
            way = "over the WAN, through its east-west gateway" if over == list(clients) else "out of their region"
            message = (
                f"{destination} has endpoints in {facts.called(server)} only: {percent(share)} of the requests that "
                f"this route takes in {', '.join(map(facts.called, clients))} all go there, {way}"
            )
            yield at(document, path, ONE_CLUSTER, message, clients)
