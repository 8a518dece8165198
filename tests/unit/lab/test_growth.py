"""What another `up` makes of a lab."""

from collections.abc import Sequence

import pytest

from lab.errors import LabError
from lab.growth import grown
from lab.state import Memory

PAIR = ["cn-east-3", "cn-south-1"]


def up(
    old: Memory | None, *, regions: int | None = None, nodes: int | None = None, flat: Sequence[Sequence[str]] = ()
) -> Memory:
    return grown("mine", old, regions=regions, nodes=nodes, istio_versions=["1.22.3"], flat=flat)


def test_what_is_not_asked_for_stays_as_it_is() -> None:
    first = up(None, regions=3, nodes=2, flat=[("cluster2", "cluster3")])
    assert first.flat == [PAIR]
    assert up(first) == first


def test_a_network_can_be_made_of_a_region_that_is_up_and_a_new_one() -> None:
    grown_lab = up(Memory(regions=2, nodes=1), regions=3, flat=[("cluster2", "cluster3")])
    assert (grown_lab.regions, grown_lab.flat) == (3, [PAIR])


def test_a_network_grows_by_new_regions_and_others_stay() -> None:
    old = Memory(regions=3, nodes=1, flat=[PAIR])
    both = up(old, regions=5, flat=[("cluster4", "cluster5")])
    assert both.flat == [PAIR, ["cn-southwest-2", "cn-north-9"]]
    assert up(old, regions=4, flat=[("cluster2", "cluster3", "cluster4")]).flat == [[*PAIR, "cn-southwest-2"]]


@pytest.mark.parametrize(
    ("flat", "had", "asked"),
    [
        (("cluster1", "cluster2"), "no other region", "cn-east-3"),
        (("cluster3", "cluster4"), "cn-south-1", "no other region"),
        (("cluster1", "cluster2", "cluster3"), "no other region", "cn-east-3, cn-south-1"),
    ],
)
def test_regions_that_are_up_are_not_regrouped(flat: tuple[str, ...], had: str, asked: str) -> None:
    with pytest.raises(LabError, match=f"is on one network with {had} and cannot be put on one with {asked}"):
        up(Memory(regions=3, nodes=1, flat=[PAIR]), regions=4, flat=[flat])
