"""Weights of a route's destinations."""

from collections.abc import Iterator

from policy.checks.facts import Facts
from policy.checks.routes import GATEWAY_API, Route, percent
from policy.finding import Finding, Rule, at

WEIGHTS = "https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination"

NOT_100 = Rule(
    "SM201",
    "Weights do not sum to 100",
    "error",
    "Istio divides each weight by the sum of all: every version gets another share than the one written",
    "Write weights that sum to 100; where only their proportion is meant, acknowledge SM201 and say so",
    WEIGHTS,
)
NO_WEIGHT = Rule(
    "SM213",
    "No destination has a weight",
    "error",
    "istiod refuses the VirtualService: several destinations need a total weight above 0, and none below 0",
    "Give each destination its weight in percent; a single destination needs none",
    WEIGHTS,
    acknowledgeable=False,
)
RULES = (NOT_100, NO_WEIGHT)


def check(facts: Facts) -> Iterator[Finding]:
    """Weights that do not sum to 100, or to nothing at all.

    The weights of the Gateway API's routes are proportions by definition: nothing is said of them.
    """
    for route in facts.routes:
        if route.placed.document.group != GATEWAY_API:
            yield from _of(route)


def _of(route: Route) -> Iterator[Finding]:
    document = route.placed.document
    weights = [d.weight or 0 for d in route.destinations]
    negative = [d for d in route.destinations if (d.weight or 0) < 0]
    for destination in negative:
        path = (*destination.path[:-1], "weight")
        yield at(document, path, NO_WEIGHT, f"the weight of {destination} is {destination.weight}")
    if len(weights) < 2 or negative:
        return
    total, written = sum(weights), " + ".join(str(weight) for weight in weights)
    if total == 0:
        yield at(document, route.path, NO_WEIGHT, f"the weights of {len(weights)} destinations are {written}")
    elif total != 100:
        shares = ", ".join(f"{percent(route.share(d))} to {d}" for d in route.destinations)
        yield at(document, route.path, NOT_100, f"{written} = {total}: what happens is {shares}")
