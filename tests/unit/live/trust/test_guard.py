"""Which changes of trust the program lets through, which it waits for, and which it refuses."""

from typing import Any

import pytest

from health.observed import Unknown
from live.trust import guard
from tests.authority import Authority
from tests.unit.live.trust.world import CLUSTERS, NEW, NOBODY, PRESENT, World, guarded, held, refusal, stage


def test_while_trust_stays_as_it_is_no_cluster_is_asked(world: World) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT)
    guarded(world)
    assert world.asked == 0


def test_the_record_of_a_program_without_rotations_counts(world: World) -> None:
    world.root(1, PRESENT)
    world.record_of_old(PRESENT)
    guarded(world)
    assert world.asked == 0


def test_a_first_install_passes_where_no_proxy_runs(world: World) -> None:
    world.clusters = [{"cluster1": NOBODY, "cluster2": NOBODY}]
    guarded(world)
    assert world.asked == 1


# From each stage, the neighbours on both sides: (recorded signs, trusted; what all hold; declared).
ONE, BOTH = (PRESENT,), (PRESENT, NEW)
STEPS: dict[str, tuple[Authority, tuple[Authority, ...], dict[str, Any]]] = {
    "old to both-trusted": (PRESENT, ONE, stage("both-trusted")),
    "both-trusted to new-signs": (PRESENT, BOTH, stage("new-signs")),
    "new-signs to new-only": (NEW, BOTH, stage("new-only")),
    "new-only back to new-signs": (NEW, (NEW,), stage("new-signs")),
    "new-signs back to both-trusted": (NEW, BOTH, stage("both-trusted")),
    "both-trusted back to old": (PRESENT, BOTH, {}),
}


@pytest.mark.parametrize("step", STEPS, ids=list(STEPS))
def test_each_stage_follows_its_neighbour_once_every_proxy_is_ready(world: World, step: str) -> None:
    signs, trusted, declared = STEPS[step]
    world.root(1, PRESENT)
    if NEW in trusted:
        world.root(2, NEW)
    world.record(signs, *trusted)
    world.clusters = [dict.fromkeys(CLUSTERS, held(signs, *trusted))]
    guarded(world, declared)
    assert world.asked == 1


def test_finishing_changes_nothing_of_trust_and_asks_nobody(world: World) -> None:
    world.root(1, PRESENT)
    world.root(2, NEW)
    world.record(NEW, NEW)
    guarded(world, {"generation": 2})
    assert world.asked == 0


SKIPS: dict[str, tuple[Authority, tuple[Authority, ...], dict[str, Any]]] = {
    "old to new-signs": (PRESENT, ONE, stage("new-signs")),
    "old to new-only": (PRESENT, ONE, stage("new-only")),
    "old to another generation": (PRESENT, ONE, {"generation": 2}),
    "both-trusted to new-only": (PRESENT, BOTH, stage("new-only")),
    "new-signs back to old": (NEW, BOTH, {}),
    "new-only back to old": (NEW, (NEW,), {}),
    "new-only back to both-trusted": (NEW, (NEW,), stage("both-trusted")),
}


@pytest.mark.parametrize("skip", SKIPS, ids=list(SKIPS))
def test_a_stage_left_out_is_refused_at_once_with_the_way(world: World, skip: str) -> None:
    signs, trusted, declared = SKIPS[skip]
    world.root(1, PRESENT)
    if NEW in trusted:
        world.root(2, NEW)
    world.record(signs, *trusted)
    world.clusters = [dict.fromkeys(CLUSTERS, held(signs, *trusted))]
    said = refusal(world, declared)
    assert "cluster1: " in said
    assert "cluster2: " in said
    assert "a.sample" in said
    assert "one stage at a time" in said
    assert "rescue" not in said, "the state has all that the clusters stand under"
    assert world.seconds == 0


def test_an_update_waits_for_proxies_that_do_not_trust_the_new_root_yet(world: World) -> None:
    world.root(1, PRESENT)
    world.root(2, NEW)
    world.record(PRESENT, PRESENT, NEW)
    behind = {"cluster1": held(PRESENT, PRESENT, NEW), "cluster2": held(PRESENT, PRESENT)}
    world.clusters = [behind, behind, dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT, NEW))]
    guarded(world, stage("new-signs"))
    assert world.asked == 3
    assert 0 < world.seconds < guard.PATIENCE_SECONDS
    assert world.refreshed == {"cluster2"}


def test_an_update_gives_up_with_the_pods_that_stay_behind(world: World) -> None:
    world.root(1, PRESENT)
    world.root(2, NEW)
    world.record(NEW, PRESENT, NEW)
    world.clusters = [{"cluster1": held(NEW, PRESENT, NEW), "cluster2": held(PRESENT, PRESENT, NEW)}]
    said = refusal(world, stage("new-only"))
    assert "spanmesh:mesh.trust.rotation.stage" in said
    assert "cluster2: istiod istiod-1" in said
    assert "a.sample" in said
    assert "cluster1" not in said
    assert "again" in said
    assert guard.PATIENCE_SECONDS <= world.seconds <= guard.PATIENCE_SECONDS + 10


def test_a_cluster_out_of_reach_refuses_a_change_of_trust(world: World) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT)
    world.clusters = [{"cluster1": held(PRESENT, PRESENT), "cluster2": Unknown("its API server does not answer")}]
    said = refusal(world, stage("both-trusted"))
    assert "cluster2: its API server does not answer" in said


def test_a_cluster_that_is_added_during_a_rotation_does_not_stand_in_the_way(world: World) -> None:
    world.root(1, PRESENT)
    world.root(2, NEW)
    world.record(PRESENT, PRESENT, NEW)
    world.clusters = [{"cluster1": held(PRESENT, PRESENT, NEW), "cluster2": NOBODY}]
    guarded(world, stage("new-signs"))
    assert world.asked == 1


def test_a_preview_warns_and_goes_on(preview: World) -> None:
    preview.root(1, PRESENT)
    preview.root(2, NEW)
    preview.record(PRESENT, PRESENT, NEW)
    preview.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    guarded(preview, stage("new-signs"))
    assert preview.asked == 1
    (warning,) = preview.warnings
    assert "an update would wait" in warning
    assert "cluster1: a.sample: does not trust the root that is to sign; cluster2: a.sample" in warning
    assert preview.refreshed == set()


def test_a_preview_of_a_stage_left_out_says_that_it_would_be_refused(preview: World) -> None:
    preview.root(1, PRESENT)
    preview.record(PRESENT, PRESENT)
    preview.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    guarded(preview, stage("new-signs"))
    assert all("refuse this" in line and "one stage at a time" in line for line in preview.warnings)
    assert preview.warnings


def test_a_first_preview_without_clusters_says_nothing_of_trust(preview: World) -> None:
    preview.clusters = [dict.fromkeys(CLUSTERS, Unknown("its API server does not answer"))]
    guarded(preview)
    assert preview.warnings == []
