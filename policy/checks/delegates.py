"""VirtualServices that leave a part of their routes to another one."""

from collections.abc import Iterator

from policy.checks.facts import ISTIO, Facts
from policy.checks.routes import mapping, mappings
from policy.document import Document
from policy.finding import Finding, Rule, at

NO_DELEGATE = Rule(
    "SM217",
    "Delegate that is not there",
    "error",
    "istiod drops the route: requests go to the next one that matches; without one, a sidecar sends them to the "
    "Service as if nothing were declared, and a gateway answers 404",
    "Declare the delegate for every cluster where the VirtualService that names it goes",
    "https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate",
)
RULES = (NO_DELEGATE,)


def check(facts: Facts) -> Iterator[Finding]:
    """Delegates that a cluster was asked for and does not have, or that are declared for other clusters only."""
    held: dict[tuple[str, str], set[str]] = {}
    placed = [p for p in facts.world.of_kind("VirtualService") if p.document.group == ISTIO]
    for each in placed:
        held.setdefault((each.document.namespace, each.document.name), set()).update(facts.where(each))
    for cluster, live in facts.world.live.items():
        for other in (Document("", 1, body) for body in live.others):
            if (other.group, other.kind) == (ISTIO, "VirtualService"):
                held.setdefault((other.namespace, other.name), set()).add(cluster)
    for each in placed:
        for index, route in mappings(each.document.spec.get("http")):
            delegate = mapping(route.get("delegate"))
            if not isinstance(name := delegate.get("name"), str):
                continue
            namespace = str(delegate.get("namespace") or each.document.namespace)
            there = held.get((namespace, name), set())
            lacking = tuple(c for c in facts.where(each) if c not in there and (there or c in facts.world.live))
            if lacking:
                has = f"only {', '.join(sorted(there))} has it" if there else "no cluster has it"
                path = ("spec", "http", index, "delegate")
                yield at(each.document, path, NO_DELEGATE, f"VirtualService {namespace}/{name}: {has}", lacking)
