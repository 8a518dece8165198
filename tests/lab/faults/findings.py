"""What our own commands find of the mesh of these tests."""

from health.checks import CHECKS
from health.examination import examine
from live.observed import observe
from tests.lab.shared_mesh.mirrored import Mirrored


def codes(mirrored: Mirrored) -> set[tuple[str, str]]:
    """What `spanmesh diagnose` finds without a probe, by code and place."""
    stack = mirrored.stack.load()
    results = examine(observe(stack.mesh, stack.accesses), [each for each in CHECKS if not each.check.probe])
    return {(each.cause.code, each.where) for each in results if each.cause}
