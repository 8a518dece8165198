"""Which changes of trust the program lets through, which it waits for, and which it refuses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from health.observed import Certificate, ProxyTrust, Unknown
from health.trust_change import HeldTrust, IstiodSigning
from live.kubeconfig import ClusterAccess
from live.observed.certificates import facts
from live.trust import guard
from tests.authority import Authority, root
from topology import Mesh, MeshConfigError, load_mesh
from topology.certificates import sha256
from topology.given_trust import GivenRoot, GivenTrust

PRESENT, NEW, OTHER = root("Root CA"), root("Root CA 2"), root("Somebody Else")
CLUSTERS = ("cluster1", "cluster2")
ACCESSES = {name: ClusterAccess(name, {}) for name in CLUSTERS}


def print_of(authority: Authority) -> str:
    return sha256(authority.certificate)


def proxy(name: str, signer: Authority, *trusted: Authority) -> ProxyTrust:
    intermediate = signer.issue("Intermediate CA")
    chain = (intermediate.issue("workload", ca=False), intermediate)
    return ProxyTrust(name, tuple(_facts(each) for each in trusted), tuple(_facts(each) for each in chain))


def _facts(authority: Authority) -> Certificate:
    return facts(authority.certificate)


def held(signer: Authority, *trusted: Authority) -> HeldTrust:
    return HeldTrust((IstiodSigning("istiod-1", print_of(signer)),), (proxy("a.sample", signer, *trusted),), {})


NOBODY = HeldTrust((), (), {})


@dataclass
class World:
    """The stack's state and what the clusters hold."""

    state: dict[str, dict[str, Any]] = field(default_factory=dict)
    clusters: list[Mapping[str, HeldTrust | Unknown]] = field(default_factory=list)
    asked: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0
    refreshed: set[str] = field(default_factory=set)

    def root(self, generation: int, authority: Authority, **outputs: Any) -> None:
        """A root that Pulumi has made."""
        name = "mesh-trust-root" if generation == 1 else f"mesh-trust-root-{generation}"
        self._add("tls:index/privateKey:PrivateKey", f"{name}-key", {"algorithm": "ECDSA"})
        made = {"certPem": authority.pem, "validityPeriodHours": 87600.0, **outputs}
        self._add("tls:index/selfSignedCert:SelfSignedCert", f"{name}-cert", made)

    def record(self, signs: Authority, *trusted: Authority, clusters: Sequence[str] = CLUSTERS) -> None:
        """What the last update declared, of these clusters."""
        outputs = {"signs": [print_of(signs)], "trusted": sorted(print_of(each) for each in trusted)}
        self._add("spanmesh:index:Trust", "mesh-trust", outputs | {"clusters": {name: {} for name in clusters}})

    def record_of_old(self, authority: Authority) -> None:
        """What a program recorded that knew no rotations."""
        self._add("spanmesh:index:Trust", "mesh-trust", {"root": {"sha256": print_of(authority)}})

    def _add(self, kind: str, name: str, outputs: dict[str, Any]) -> None:
        self.state[f"urn:pulumi:prod::spanmesh::{kind}::{name}"] = {"type": kind, "outputs": outputs}

    def ask(self, _: Mapping[str, ClusterAccess]) -> Mapping[str, HeldTrust | Unknown]:
        self.asked += 1
        return self.clusters[min(self.asked, len(self.clusters)) - 1]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An update of the stack ``prod``; nothing sleeps."""
    made = World()

    @dataclass
    class Answer:
        value: dict[str, Any]

    def sleep(seconds: float) -> None:
        made.seconds += seconds

    monkeypatch.setattr(pulumi.runtime, "invoke", lambda *_: Answer({"outputs": made.state}))
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi.log, "warn", made.warnings.append)
    monkeypatch.setattr(pulumi.log, "info", lambda _: None)
    monkeypatch.setattr(guard, "read_all_held", made.ask)
    monkeypatch.setattr("live.trust.waiting.read_all_held", made.ask)
    monkeypatch.setattr("live.trust.waiting.refresh_mounted", made.refreshed.update)
    monkeypatch.setattr("live.trust.waiting.time", SimpleNamespace(monotonic=lambda: 1000 + made.seconds, sleep=sleep))
    yield made


@pytest.fixture
def preview(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, previewed."""
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    return world


def mesh(trust: dict[str, Any] | None = None) -> Mesh:
    clusters = [{"name": name, "network": name, "apiServer": f"https://{name}.example.com"} for name in CLUSTERS]
    return load_mesh({"trust": trust or {}, "clusters": clusters})


def stage(name: str) -> dict[str, Any]:
    return {"rotation": {"stage": name}}


def guarded(world: World, trust: dict[str, Any] | None = None, given: GivenTrust | None = None) -> None:
    guard.guard_trust(mesh(trust), given or GivenTrust(), ACCESSES)


def refusal(world: World, trust: dict[str, Any] | None = None) -> str:
    with pytest.raises(MeshConfigError) as refused:
        guarded(world, trust)
    return str(refused.value)


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
    own = ProxyTrust("a.sample", (_facts(root),), (_facts(root.issue("workload", ca=False)), _facts(root)))
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
