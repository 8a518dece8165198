"""Roots that the stack does not know: a state without them, another installer's Istio, clusters that join."""

from typing import Any

import pulumi
import pytest

from health.observed import ProxyTrust, Unknown
from health.trust_change import HeldTrust, IstiodSigning
from live.observed.certificates import facts
from live.trust import guard
from tests.authority import Authority
from tests.unit.live.trust.world import (
    ACCESSES,
    CLUSTERS,
    NEW,
    NOBODY,
    OTHER,
    PRESENT,
    World,
    guarded,
    held,
    print_of,
    refusal,
    stage,
)
from topology import Mesh, MeshConfigError, load_mesh
from topology.given_trust import GivenRoot, GivenTrust


def test_a_root_that_pulumi_would_make_anew_is_refused_as_another_one(world: World) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT)
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    assert "does not trust the root that is to sign" in refusal(world, {"rootValidityDays": 7300})


def test_a_rotation_may_change_what_the_new_root_is_like(world: World) -> None:
    world.root(1, PRESENT)
    world.root(2, NEW, validityPeriodHours=7300 * 24)
    world.record(PRESENT, PRESENT, NEW)
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT, NEW))]
    guarded(world, {"rootValidityDays": 7300, **stage("new-signs")})
    assert world.asked == 1


def test_a_state_without_its_root_does_not_replace_that_of_a_running_mesh(world: World) -> None:
    """Be the state lost, or the mesh another installer's."""
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    said = refusal(world)
    for name in CLUSTERS:
        assert f"{name} runs under the root CN=Root CA (SHA-256 {print_of(PRESENT)})" in said
    assert "another installer" in said
    assert "`spanmesh rescue`" in said
    assert "one stage at a time" not in said
    assert world.seconds == 0


def test_a_state_of_before_a_rotation_is_told_from_a_stage_left_out(world: World) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT)
    world.clusters = [dict.fromkeys(CLUSTERS, held(NEW, NEW))]
    said = refusal(world, {"generation": 2})
    assert f"cluster1 runs under the root CN=Root CA 2 (SHA-256 {print_of(NEW)})" in said
    assert "`spanmesh rescue`" in said


def test_a_rotation_that_the_state_does_not_know_of_is_no_mesh_of_strangers(world: World) -> None:
    """Half of the clusters stand under the new root, and every proxy trusts both."""
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT)
    world.clusters = [{"cluster1": held(PRESENT, PRESENT, NEW), "cluster2": held(NEW, PRESENT, NEW)}]
    said = refusal(world, stage("new-signs"))
    assert "cluster2 runs under the root CN=Root CA 2" in said
    assert "cluster1 runs" not in said
    assert "`spanmesh rescue`" in said


def self_signed(root: Authority) -> HeldTrust:
    """What istiod gives out where it made itself a root, Secret istio-ca-secret."""
    istiod = IstiodSigning("istiod-1", print_of(root), print_of(root))
    own = ProxyTrust(
        "a.sample",
        (facts(root.certificate),),
        (facts(root.issue("workload", ca=False).certificate), facts(root.certificate)),
    )
    return HeldTrust((istiod,), (own,), {})


def test_an_istio_that_made_its_own_root_is_taken_over_by_an_intermediate_under_it(world: World) -> None:
    world.clusters = [{"cluster1": self_signed(OTHER), "cluster2": NOBODY}]
    said = refusal(world)
    assert "cluster1 runs under the root CN=Somebody Else" in said
    assert "cluster2" not in said
    assert "Have that root sign an intermediate" in said
    assert "rescue" not in said
    trust, given = provided(None, NEW, present=OTHER.pem)
    guard.guard_trust(provided_mesh(trust), given, ACCESSES)


def test_two_meshes_that_trust_each_other_not_are_not_made_one_by_a_rescue(world: World) -> None:
    world.clusters = [{"cluster1": held(OTHER, OTHER), "cluster2": held(NEW, NEW)}]
    said = refusal(world)
    assert "cluster1 runs under the root CN=Somebody Else" in said
    assert "cluster2 runs under the root CN=Root CA 2" in said
    assert "rescue" not in said
    assert "once its proxies trust the mesh's root" in said


def test_of_clusters_that_join_those_with_proxies_of_another_root_are_refused(world: World) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT, clusters=["cluster1"])
    world.clusters = [{"cluster2": held(OTHER, OTHER)}]
    said = refusal(world)
    assert "cluster2 runs under the root CN=Somebody Else" in said
    assert "cluster1" not in said
    assert "once its proxies trust the mesh's root" in said


@pytest.mark.parametrize(
    "joining",
    [NOBODY, held(PRESENT, PRESENT), Unknown("its API server does not answer")],
    ids=["empty", "ours", "away"],
)
def test_a_cluster_that_joins_empty_or_under_the_mesh_s_root_passes_and_one_that_is_away_is_not_judged(
    world: World, joining: HeldTrust | Unknown
) -> None:
    world.root(1, PRESENT)
    world.record(PRESENT, PRESENT, clusters=["cluster1"])
    world.clusters = [{"cluster2": joining}]
    guarded(world)
    assert world.seconds == 0


def test_an_interrupted_first_install_is_waited_for(world: World) -> None:
    world.root(1, PRESENT)
    starting = HeldTrust((IstiodSigning("istiod-1", print_of(PRESENT)),), (ProxyTrust("gateway.istio-system", ()),), {})
    world.clusters = [dict.fromkeys(CLUSTERS, starting), dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    guarded(world)
    assert world.asked == 2


def provided(stages: str | None, new: Authority, present: str = PRESENT.pem) -> tuple[dict[str, Any], GivenTrust]:
    """The trust of a stack file that moves to a provided root, and what its sources hold."""
    to = {"to": "provided", "rootCertificate": {"path": "new.pem"}}
    trust: dict[str, Any] = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
    return (
        trust | ({"rotation": {"stage": stages, **to}} if stages else {}),
        GivenTrust(GivenRoot(present), GivenRoot(new.pem) if stages else None),
    )


def provided_mesh(trust: dict[str, Any]) -> Mesh:
    pair = {"certificate": {"path": "a.pem"}, "key": {"path": "a.key"}}
    following = {"next": pair} if "rotation" in trust else {}
    clusters = [
        {"name": name, "network": name, "apiServer": f"https://{name}.example.com", "trust": {**pair, **following}}
        for name in CLUSTERS
    ]
    return load_mesh({"trust": trust, "clusters": clusters})


def test_a_provided_new_root_is_known_by_its_fingerprint(world: World) -> None:
    world.record(PRESENT, PRESENT, OTHER)
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT, NEW))]
    trust, given = provided("new-signs", OTHER)
    with pytest.raises(MeshConfigError, match="does not trust the root that is to sign"):
        guard.guard_trust(provided_mesh(trust), given, ACCESSES)
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT, OTHER))]
    guard.guard_trust(provided_mesh(trust), given, ACCESSES)


def test_another_provided_root_at_once_is_refused(world: World) -> None:
    world.record(PRESENT, PRESENT)
    world.clusters = [dict.fromkeys(CLUSTERS, held(PRESENT, PRESENT))]
    trust, given = provided(None, NEW, present=NEW.pem)
    with pytest.raises(MeshConfigError, match="one stage at a time"):
        guard.guard_trust(provided_mesh(trust), given, ACCESSES)


def test_a_state_that_cannot_be_read_stops_an_update(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("invoke returned an error: passphrase must be set")

    monkeypatch.setattr(pulumi.runtime, "invoke", broken)
    assert "passphrase must be set" in refusal(world)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    guarded(world)
    assert world.asked == 0
    assert len(world.warnings) == 1
