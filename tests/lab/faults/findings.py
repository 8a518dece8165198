"""What our own commands find of the mesh of these tests."""

from health.check import Result
from health.checks import CHECKS
from health.examination import examine
from health.observed import Observed
from live.observed import observe, second_look
from tests.lab.shared_mesh.mirrored import Mirrored

Findings = dict[tuple[str, str], Result]


def wrong(mirrored: Mirrored) -> Findings:
    """By code and place, what `spanmesh diagnose` finds without a probe, but for what it asks single proxies."""
    stack = mirrored.stack.load()
    return _found(observe(stack.mesh, stack.accesses))


def wrong_with_proxies(mirrored: Mirrored) -> Findings:
    """The same, and what it asks single proxies."""
    stack = mirrored.stack.load()
    return _found(second_look(observe(stack.mesh, stack.accesses), stack.accesses))


def codes(mirrored: Mirrored) -> set[tuple[str, str]]:
    """Code and place of each of :func:`wrong`."""
    return set(wrong(mirrored))


def _found(observed: Observed) -> Findings:
    results = examine(observed, [each for each in CHECKS if not each.check.probe])
    return {(each.cause.code, each.where): each for each in results if each.cause}
