"""What stands against a change of trust, told from what every istiod and every proxy holds."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from health.observed import Certificate, ProxyTrust, Unknown
from health.trust_change import (
    HeldTrust,
    IstiodSigning,
    Obstacle,
    SettledTrust,
    obstacles,
    signing_root,
    told,
    unsettled,
)
from tests.unit.health.facts import certificate
from topology.root_rotation import USES, Root, Stage
from topology.trust_set import TrustSet

# Both are called alike, as roots that Pulumi makes are: only their keys tell them apart.
ROOTS = {
    Root.PRESENT: replace(certificate("root", "root", key_id="p"), fingerprint="present"),
    Root.NEW: replace(certificate("root", "root", key_id="n"), fingerprint="new"),
}
NAMES = ("cluster1", "cluster2")


def chain(signs: Root, bundle: Iterable[Root]) -> tuple[Certificate, ...]:
    """What istiod gives a workload: its certificate, the CAs above it, and the whole bundle once more."""
    root = ROOTS[signs]
    intermediate = replace(
        certificate("ca", "root", key_id="i", issuer_key_id=root.key_id), fingerprint=f"ca-{root.fingerprint}"
    )
    own = certificate("own", "ca", 1, issuer_key_id="i")
    return (own, intermediate, root, *(ROOTS[each] for each in bundle))


def holding(stage: Stage, *, certificates: Stage | None = None, **given: object) -> HeldTrust:
    """A cluster at a stage; its proxies' certificates may be of another one."""
    use = USES[stage]
    proxy = ProxyTrust(
        "a.sample",
        tuple(ROOTS[each] for each in dict.fromkeys(use.bundle)),
        chain(USES[certificates or stage].signs, use.bundle),
    )
    root = ROOTS[use.signs].fingerprint
    made = HeldTrust((IstiodSigning("istiod-1", root, f"ca-{root}"),), (proxy,), {})
    return replace(made, **given)  # type: ignore[arg-type]


def target(stage: Stage) -> TrustSet:
    """What a stage declares."""
    use = USES[stage]
    bundle = frozenset(ROOTS[each].fingerprint for each in use.bundle)
    return TrustSet(frozenset({ROOTS[use.signs].fingerprint}), bundle)


def settled(stage: Stage) -> SettledTrust:
    """What a cluster comes to hold at a stage."""
    trusted = target(stage).trusted
    prints = {each.fingerprint for each in ROOTS.values()}
    signs = ROOTS[USES[stage].signs].fingerprint
    return SettledTrust(
        f"ca-{signs}", frozenset(filter(None, trusted)), frozenset(prints - trusted), frozenset({signs})
    )


STAGES = list(Stage)
NEIGHBOURS = [(a, b) for a in STAGES for b in STAGES if abs(STAGES.index(a) - STAGES.index(b)) <= 1]
SKIPS = [(a, b) for a in STAGES for b in STAGES if (a, b) not in NEIGHBOURS]


@pytest.mark.parametrize(("at", "to"), NEIGHBOURS)
def test_every_step_to_the_next_stage_and_back_is_free_once_everybody_holds_the_present_one(
    at: Stage, to: Stage
) -> None:
    assert obstacles(target(to), {name: holding(at) for name in NAMES}) == []


@pytest.mark.parametrize(("at", "to"), SKIPS)
def test_no_stage_can_be_skipped(at: Stage, to: Stage) -> None:
    found = obstacles(target(to), {name: holding(at) for name in NAMES})
    assert {each.cluster for each in found} == set(NAMES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_mesh_without_proxies_and_istiods_takes_any_trust(stage: Stage) -> None:
    assert obstacles(target(stage), {"cluster1": HeldTrust((), (), {})}) == []


def test_an_istiod_of_a_strange_root_without_proxies_stands_against_nothing() -> None:
    """As one that another installer left, and that is taken over."""
    strange = (IstiodSigning("istiod-1", "strange", "ca"),)
    for istiods in (strange, Unknown("istiod-1 shows a chain of 1 certificates, of a root that is not known")):
        assert obstacles(target(Stage.OLD), {"cluster1": HeldTrust(istiods, (), {})}) == []
        assert obstacles(target(Stage.OLD), {"cluster1": holding(Stage.OLD, istiods=istiods)}) != []


def test_the_root_of_a_chain_is_told_by_its_keys_whatever_stands_last_in_it() -> None:
    shown = chain(Root.PRESENT, (Root.PRESENT, Root.NEW))
    assert shown[-1] == ROOTS[Root.NEW]
    assert signing_root(shown, ()) == "present"
    assert signing_root(shown[:2], ROOTS.values()) == "present"
    assert signing_root(shown[:2], [ROOTS[Root.NEW]]) == ""
    assert signing_root((), ROOTS.values()) == ""


def test_one_proxy_that_lags_keeps_the_new_root_from_signing_and_is_named() -> None:
    held = {"cluster1": holding(Stage.BOTH_TRUSTED), "cluster2": holding(Stage.OLD)}
    assert obstacles(target(Stage.NEW_SIGNS), held) == [
        Obstacle("cluster2", "a.sample", "does not trust the root that is to sign")
    ]


def test_a_proxy_that_still_shows_a_certificate_of_the_old_root_keeps_it_from_going() -> None:
    held = {"cluster1": holding(Stage.NEW_SIGNS, certificates=Stage.OLD)}
    assert obstacles(target(Stage.NEW_ONLY), held) == [
        Obstacle("cluster1", "a.sample", "shows a certificate of a root that would go")
    ]


def test_an_istiod_that_has_not_taken_the_new_ca_keeps_the_old_root_from_going() -> None:
    held = {"cluster1": holding(Stage.NEW_SIGNS, istiods=(IstiodSigning("istiod-1", "present"),))}
    assert obstacles(target(Stage.NEW_ONLY), held) == [
        Obstacle("cluster1", "istiod istiod-1", "signs under a root that would no longer be trusted")
    ]


def test_what_cannot_be_asked_stands_against_any_change_of_trust_with_its_reason() -> None:
    held: dict[str, HeldTrust | Unknown] = {
        "cluster1": Unknown("its API server does not answer"),
        "cluster2": holding(Stage.OLD, silent={"b.sample": "timed out"}),
        "cluster3": holding(Stage.OLD, istiods=Unknown("istiod shows no certificate")),
    }
    assert obstacles(target(Stage.BOTH_TRUSTED), held) == [
        Obstacle("cluster1", "", "its API server does not answer"),
        Obstacle("cluster2", "b.sample", "does not answer: timed out"),
        Obstacle("cluster3", "", "istiod shows no certificate"),
    ]


def test_of_a_proxy_without_the_agent_that_takes_roots_it_is_said_that_a_restart_helps() -> None:
    held = {"cluster1": holding(Stage.OLD, fixed=frozenset({"a.sample"}))}
    [found] = obstacles(target(Stage.NEW_SIGNS), held)
    assert found.why.startswith("does not trust the root that is to sign. Restart its workload")
    assert "PROXY_CONFIG_XDS_AGENT" in found.why
    assert not obstacles(target(Stage.OLD), held), "one that holds what it has to is in nobody's way"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_settled_once_istiods_and_proxies_hold_just_what_it_declares(stage: Stage) -> None:
    assert unsettled({"cluster1": settled(stage)}, {"cluster1": holding(stage)}) == []


def test_who_still_trusts_the_old_root_or_has_a_certificate_of_another_intermediate_is_not_settled() -> None:
    found = unsettled({"cluster1": settled(Stage.NEW_ONLY)}, {"cluster1": holding(Stage.NEW_SIGNS)})
    assert [each.why for each in found] == ["still trusts a root that has gone"]
    found = unsettled({"cluster1": settled(Stage.NEW_SIGNS)}, {"cluster1": holding(Stage.BOTH_TRUSTED)})
    assert [(each.who, each.why) for each in found] == [
        ("istiod istiod-1", "does not sign by the declared intermediate yet"),
        ("a.sample", "has no certificate under the declared root yet"),
    ]
    found = unsettled({"cluster1": settled(Stage.BOTH_TRUSTED)}, {"cluster1": holding(Stage.OLD)})
    assert [each.why for each in found] == ["does not trust every declared root yet"]


def test_proxies_may_keep_certificates_of_another_intermediate_under_the_same_root() -> None:
    want = replace(settled(Stage.OLD), intermediate="another")
    held = holding(Stage.OLD, istiods=(IstiodSigning("istiod-1", "present", "another"),))
    assert unsettled({"cluster1": want}, {"cluster1": held}) == []


def test_of_several_roots_that_sign_every_proxy_has_to_trust_each_and_may_stand_under_any() -> None:
    both = frozenset(each.fingerprint for each in ROOTS.values())
    assert obstacles(TrustSet(both, both), {"cluster1": holding(Stage.NEW_SIGNS)}) == []
    [found] = obstacles(TrustSet(both, both), {"cluster1": holding(Stage.OLD)})
    assert found.why == "does not trust the root that is to sign"
    want = SettledTrust("ca-new", both, signs=both)
    assert unsettled({"cluster1": want}, {"cluster1": holding(Stage.NEW_SIGNS)}) == []


def test_many_alike_are_told_in_one_sentence_with_the_first_names() -> None:
    found = [Obstacle("cluster1", f"{number}.sample", "lags") for number in range(5)]
    assert told([*found, Obstacle("cluster2", "", "is silent")]) == [
        "cluster1: 0.sample, 1.sample, 2.sample and 2 more: lags",
        "cluster2: is silent",
    ]
