"""What is wrong with policy whose single objects are well-formed: held against the mesh, and against what is live."""

from policy.checks import between, delegates, hosts, names, services, subsets, weights
from policy.checks.facts import Facts
from policy.finding import Finding, Rule
from policy.world import World

ROUTES = (weights, subsets, hosts, delegates, services, names)
"""Routes and what they lead to, SM2xx: each has ``RULES`` and ``check(facts)``, as ``between`` has for the others."""
RULES: tuple[Rule, ...] = tuple(rule for module in (*ROUTES, between) for rule in module.RULES)


def check(world: World) -> list[Finding]:
    """Every finding of every check, in the order of the checks.

    Args:
        world: the declared mesh, its policy, and what is live. What cannot be known from it is not reported.
    """
    facts = Facts(world)
    return [finding for module in (*ROUTES, between) for finding in module.check(facts)]
