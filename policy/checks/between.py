"""What goes wrong between regions, networks and clusters: rules SM3xx and SM4xx."""

from collections.abc import Iterator

from policy.checks import canary, conflicts, locality, mirroring, mtls, outliers, visibility
from policy.checks.facts import Facts
from policy.checks.held import Policy
from policy.checks.reach import Reach
from policy.finding import Finding, Rule

MODULES = (locality, mtls, canary, outliers, visibility, conflicts, mirroring)
"""Each has ``RULES`` and ``check(reach, policy)``."""
RULES: tuple[Rule, ...] = tuple(rule for module in MODULES for rule in module.RULES)


def check(facts: Facts) -> Iterator[Finding]:
    """Every finding of these rules."""
    reach, policy = Reach(facts), Policy(facts)
    for module in MODULES:
        yield from module.check(reach, policy)
