"""What a lab becomes by another `up`: it grows, and nothing of what it has changes."""

from collections.abc import Sequence

from lab.errors import LabError
from lab.plan import LabPlan, flat_groups
from lab.state import Memory

DEFAULT_REGIONS = 2
DEFAULT_NODES = 1


def grown(
    name: str,
    old: Memory | None,
    *,
    regions: int | None,
    nodes: int | None,
    istio_versions: Sequence[str],
    flat: Sequence[Sequence[str]],
) -> Memory:
    """What is asked for, merged with what the lab is.

    Args:
        name: the lab's name.
        old: what it remembers; None for a new one.
        regions: number of regions; None for what it has.
        nodes: nodes per region; None for what it has.
        istio_versions: versions of Istio on top of those it has.
        flat: groups of regions on one network, on top of those it has; one that grows is named with all its regions.

    Raises:
        LabError: that cannot be had, or not without changing regions that there are.
    """
    wanted_regions = regions or (old.regions if old else DEFAULT_REGIONS)
    wanted_nodes = nodes or (old.nodes if old else DEFAULT_NODES)
    plan = LabPlan(name, wanted_regions, wanted_nodes)
    for what, had, wanted in (
        ("regions", old.regions if old else 0, wanted_regions),
        ("nodes per region", old.nodes if old else 0, wanted_nodes),
    ):
        if wanted < had:
            raise LabError(
                f"lab {name} has {had} {what} and cannot shrink to {wanted}; "
                f"take it down first with `spanmesh lab down {name}`"
            )
    return Memory(
        regions=wanted_regions,
        nodes=wanted_nodes,
        istio_versions=sorted({*(old.istio_versions if old else []), *istio_versions}),
        ports=old.ports if old else {},
        flat=[list(group) for group in _merged_groups(plan, old, flat)],
    )


def _merged_groups(plan: LabPlan, old: Memory | None, flat: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The groups asked for with those that the lab has; the pod ranges of regions that there are stay as they are."""
    wanted = flat_groups(plan, flat)
    if old is None:
        return wanted
    regrouped = {name for group in wanted for name in group}
    kept = [group for group in old.flat if not regrouped.intersection(group)]
    groups = flat_groups(plan, [*wanted, *kept])
    before = LabPlan(plan.name, old.regions, old.nodes, tuple(map(tuple, old.flat)))
    after = LabPlan(plan.name, plan.region_count, plan.node_count, groups)
    there = {region.name for region in before.regions}
    for region in before.regions:
        had = {each.name for each in before.flat_peers(region)}
        would_have = {each.name for each in after.flat_peers(after.region(region.name))} & there
        if had != would_have:
            raise LabError(
                f"lab {plan.name}: {region.name} ({region.cluster}) is on one network with {_listed(had)} and cannot "
                f"be put on one with {_listed(would_have)}, because its pods have their addresses; name whole groups, "
                f"or take the lab down first with `spanmesh lab down {plan.name}`"
            )
    return groups


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no other region"
