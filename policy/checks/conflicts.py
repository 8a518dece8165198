"""Two objects for one host in one cluster, where Istio uses only one of them, or parts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from policy.checks.held import EVERYWHERE, Held, Policy, items, namespace_of, selects_workloads
from policy.checks.reach import Reach
from policy.checks.routes import mapping
from policy.document import Path
from policy.finding import Finding, Rule, at

TWO_ROUTES = Rule(
    "SM401",
    "Two VirtualServices for one host",
    "error",
    "A sidecar uses one of them: before the others one that exportTo gives to its namespace alone, else the oldest, "
    "which can be another one in each cluster. Only for gateways are they merged",
    "Write one VirtualService; or let exportTo of each name other namespaces",
    "https://istio.io/latest/docs/reference/config/analysis/ist0109/",
)
TWO_RULES = Rule(
    "SM402",
    "Two DestinationRules for one host",
    "error",
    "Istio adds up their subsets, but of trafficPolicy, and of subsets with one name, only the older counts; which one "
    "is older can differ from cluster to cluster",
    "Write one DestinationRule for the host, or leave trafficPolicy and each subset to one of them",
    "https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services",
)
HIDES = Rule(
    "SM406",
    "DestinationRule in place of another namespace's",
    "warning",
    "A client takes the DestinationRule of its own namespace, else of the Service's, else of the root namespace: the "
    "first one found counts, and nothing of the others",
    "Write what is missing into it too, or leave the host to one namespace",
    "https://istio.io/latest/docs/ops/best-practices/traffic-management/#cross-namespace-configuration",
)
TWO_PEERS = Rule(
    "SM407",
    "Two PeerAuthentications for the same pods",
    "error",
    "istiod uses the oldest and takes no notice of the others; which one is the oldest can differ from cluster to "
    "cluster",
    "Write one for the mesh, one for each namespace, and one for each selector",
    "https://istio.io/latest/docs/concepts/security/#peer-authentication",
)
TWO_SIDECARS = Rule(
    "SM408",
    "Two Sidecars for the same pods",
    "error",
    "Which one the pods get is not defined",
    "Write one Sidecar without workloadSelector for each namespace, and one for each selector",
    "https://istio.io/latest/docs/reference/config/analysis/ist0111/",
)
RULES = (TWO_ROUTES, TWO_RULES, HIDES, TWO_PEERS, TWO_SIDECARS)
OF_PODS = {"PeerAuthentication": ("selector", TWO_PEERS), "Sidecar": ("workloadSelector", TWO_SIDECARS)}


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Hosts with more than one VirtualService or DestinationRule in a cluster, pods with more than one of a kind."""
    found = _Found()
    for kind in OF_PODS:
        _pods(found, kind, policy)
    for (cluster, host), held in policy.hosts_of_routes().items():
        if len(held) > 1:
            _routes(found, cluster, host, held)
    for (cluster, host), held in policy.hosts_of_rules().items():
        rules = [each for each in held if not selects_workloads(each.document)]
        if len(rules) > 1:
            _rules(reach, found, cluster, host, rules)
    yield from found.findings()


@dataclass
class _Found:
    """Findings that are alike but for the cluster."""

    clusters: dict[tuple[int, Rule, Path, str], list[str]] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)

    def add(self, held: Held, rule: Rule, path: Path, message: str, cluster: str) -> None:
        self.held[id(held)] = held
        self.clusters.setdefault((id(held), rule, path, message), []).append(cluster)

    def findings(self) -> Iterator[Finding]:
        for (held, rule, path, message), clusters in self.clusters.items():
            yield at(self.held[held].document, path, rule, message, tuple(filter(None, clusters)))


def _pods(found: _Found, kind: str, policy: Policy) -> None:
    key, rule = OF_PODS[kind]
    first: dict[tuple[str, str, str], Held] = {}
    for held in sorted(policy.of_kind.get(kind, ()), key=lambda h: h.declared):
        document = held.document
        selector = mapping(document.spec.get(key))
        labels = mapping(selector.get("matchLabels" if kind == "PeerAuthentication" else "labels"))
        whose = ", ".join(sorted(f"{name}={value}" for name, value in labels.items()))
        for cluster in held.clusters:
            other = first.setdefault((cluster, document.namespace, whose), held)
            if other is not held and held.declared:
                pods = f"pods with {whose}" if whose else "all pods"
                message = f"{other.where} is for {pods} of {document.namespace} too"
                found.add(held, rule, ("spec", key) if labels else ("spec",), message, cluster)


def _routes(found: _Found, cluster: str, host: str, held: list[Held]) -> None:
    first: dict[str, Held] = {}
    # What is live already is older than what is declared.
    for each in sorted(held, key=lambda h: h.declared):
        spaces = each.seen_in
        other = next(iter(first.values()), None) if EVERYWHERE in spaces else None
        other = other or next((first[s] for s in (EVERYWHERE, *spaces) if s in first), None)
        if other is not None and each.declared:
            message = f"{host} is routed by {other.where} too"
            found.add(each, TWO_ROUTES, ("spec", "hosts"), message, cluster)
        for space in spaces:
            first.setdefault(space, each)


def _rules(reach: Reach, found: _Found, cluster: str, host: str, rules: list[Held]) -> None:
    spaces: dict[str, list[Held]] = {}
    for each in sorted(rules, key=lambda h: h.declared):
        spaces.setdefault(each.document.namespace, []).append(each)
    for same in spaces.values():
        for each in same[1:]:
            for path, message in _lost(same[0], each) if each.declared else ():
                found.add(each, TWO_RULES, path, f"{host}: {message}", cluster)
    home = namespace_of(host)
    for space, mine in spaces.items():
        base = [h for s in (home, reach.root_namespace) if s != space for h in spaces.get(s, ())]
        base = [h for h in base if h.seen_from(space)]
        if space == reach.root_namespace != home and home in spaces:
            first = spaces[home][0]
            for each in mine:
                if each.declared and EVERYWHERE in first.seen_in:
                    found.add(each, HIDES, ("spec", "host"), f"no client uses it: {first.where} comes first", cluster)
        elif base and space != home and mine[-1].declared and (missing := _missing(mine, base)):
            message = f"clients in {space} use it in place of {base[0].where}, and it lacks {', '.join(missing)}"
            found.add(mine[-1], HIDES, ("spec", "host"), message, cluster)


def _lost(first: Held, second: Held) -> Iterator[tuple[Path, str]]:
    """What of the second of two DestinationRules of one namespace does not count."""
    one, two = first.document.spec, second.document.spec
    policies = mapping(one.get("trafficPolicy")), mapping(two.get("trafficPolicy"))
    if all(policies) and policies[0] != policies[1]:
        yield ("spec", "trafficPolicy"), f"{first.where} has a trafficPolicy too"
    there = first.subsets
    for name, (path, _) in second.subsets.items():
        if name in there and _at(one, there[name][0]) != _at(two, path):
            yield path, f"{first.where} has another subset {name}"
    if first.seen_in != second.seen_in:
        yield ("spec", "exportTo"), f"{first.where} has another exportTo, so the two are not merged"


def _at(spec: object, path: Path) -> object:
    index = path[2]
    found = items(mapping(spec), "subsets")
    return found[index] if isinstance(index, int) else None


def _missing(mine: Iterable[Held], base: list[Held]) -> list[str]:
    own = {name for held in mine for name in held.subsets}
    fields = {key for held in mine for key in mapping(held.document.spec.get("trafficPolicy"))}
    first = mapping(base[0].document.spec.get("trafficPolicy"))
    other = [name for held in base[:1] for name in held.subsets if name not in own]
    return [f"subset {name}" for name in other] + [key for key in first if key not in fields]
