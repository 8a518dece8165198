"""What status tells of a cluster, from facts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from health.check import State
from health.observed import (
    Certificate,
    EastWestGateway,
    GatewayPod,
    Istiod,
    ObservedCluster,
    RemoteCluster,
    Trust,
    Unknown,
)
from health.standing import ClusterStanding, InStep, Part, PartName, exit_code, expiries, standing
from health.standing.lifetimes import certificates
from tests.unit.health.facts import NOW, certificate, cluster, declared, istiod, kubeconfig, observed, trust
from topology import model
from topology.model import Istio
from topology.root_rotation import Stage

IN_STEP = {"cluster1": InStep(3), "cluster2": InStep(3)}
PODS = (GatewayPod("gateway-a", ready=True, version="1.30.5"), GatewayPod("gateway-b", ready=True, version="1.30.5"))


def gateway(**given: Any) -> EastWestGateway:
    """A gateway with as many pods as are declared."""
    return replace(
        EastWestGateway("LoadBalancer", ("198.51.100.7",), (("tls", 15443),), "network1", pods=PODS), **given
    )


def first(**given: Any) -> ClusterStanding:
    """How cluster1 stands with these facts."""
    return standing(observed(cluster(1, **{"gateway": gateway(), **given})), IN_STEP)[0]


def part(name: PartName, **given: Any) -> Part:
    """One part of cluster1."""
    return first(**given).part(name)


def test_a_healthy_cluster_is_ok_in_every_part_and_says_its_numbers() -> None:
    seen = first()
    assert {each.name: each.state for each in seen.parts} == dict.fromkeys(
        ("api", "istiod", "gateway", "remotes", "certificates", "versions", "policy"), State.OK
    )
    assert seen.part("remotes").text == "1/1 configured, 1/1 connected"
    assert seen.part("istiod").text == "1/1 ready, 0 proxies"
    assert seen.part("gateway").text == "198.51.100.7, 2/2 ready"
    assert seen.part("certificates").text == "istiod 300 d, intermediate 700 d, root 3000 d"
    assert seen.part("versions").text == "Istio 1.30.5, gateway 1.30.5"
    assert seen.part("policy").text == "in step, 3 objects"
    assert (seen.missing, exit_code([seen])) == ((), 0)


def test_of_a_cluster_that_does_not_answer_the_api_is_missing_and_the_rest_cannot_be_told() -> None:
    dead = ObservedCluster("cluster1", Unknown("its API server does not answer"))
    seen, other = standing(observed(dead, cluster(2, gateway=gateway())), IN_STEP)
    assert seen.missing == ("cluster1: its API server does not answer",)
    assert {each.state for each in seen.parts} == {State.FAILED, State.SKIPPED}
    assert other.state is State.OK, "a dead cluster says nothing of the other"
    assert exit_code([seen, other]) == 1


def test_a_peer_is_connected_only_where_every_istiod_pod_has_synced_with_it() -> None:
    pods = (istiod(1, "istiod-a"), istiod(1, "istiod-b", status="timeout"))
    seen = part("remotes", istiods=pods)
    assert (seen.state, seen.text) == (State.FAILED, "1/1 configured, 0/1 connected")
    assert seen.reasons == ("istiod-b has not synced with cluster2: timeout",)


def test_an_istiod_that_reads_a_cluster_by_another_secret_is_not_connected_by_the_mesh() -> None:
    other = replace(istiod(1), remotes=(RemoteCluster("cluster2", "istio-system/by-hand", "synced"),))
    assert part("remotes", istiods=(other,)).reasons == ("istiod-1 has not synced with cluster2: not known",)


def test_a_key_that_is_missing_extra_or_cannot_be_used_is_named() -> None:
    missing = part("remotes", remote=(), istiods=(istiod(1, remotes=()),))
    assert missing.text == "0/1 configured, 0/1 connected"
    assert missing.reasons == ("its remote Secret has no key cluster2: `pulumi up`",), "not said twice"
    extra = part("remotes", remote=(kubeconfig(2), replace(kubeconfig(2), cluster="cluster9")))
    assert extra.state is State.FAILED
    assert extra.reasons == ("its remote Secret holds cluster9, which it should not read: `pulumi up`",)
    executing = part("remotes", remote=(kubeconfig(2, problem="it names a program to run"),))
    assert executing.text == "0/1 configured, 1/1 connected"
    assert "it names a program to run" in executing.reasons[0]


def test_without_the_right_to_the_secret_the_istiods_word_says_what_is_configured() -> None:
    forbidden = Unknown("forbidden", 403)
    assert part("remotes", remote=forbidden).state is State.OK
    untold = part("remotes", remote=forbidden, istiods=Unknown("also forbidden", 403))
    assert (untold.state, untold.text) == (State.SKIPPED, "?/1 configured, ?/1 connected")
    assert untold.reasons == ("also forbidden", "forbidden")


def test_a_cluster_that_reads_none_has_nothing_to_be_connected() -> None:
    mesh = declared(linked=False)
    seen = standing(observed(cluster(1, remote=(), gateway=gateway()), mesh=mesh), IN_STEP)[0].part("remotes")
    assert (seen.state, seen.text) == (State.OK, "reads none")


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [(61, State.OK, ""), (59, State.WARNING, "intermediate (CN=ca1) ends in 59 days"), (-1, State.FAILED, "expired")],
)
def test_a_certificate_warns_sixty_days_before_its_end_and_is_wrong_after_it(
    days: int, state: State, said: str
) -> None:
    seen = part("certificates", trust=trust(1, days=days))
    assert seen.state is state
    assert said in "".join(seen.reasons)
    assert f"intermediate {days} d" in seen.text


def test_a_certificate_that_is_not_valid_yet_is_wrong() -> None:
    early = replace(certificate("istiod1", "ca1"), not_before=NOW + timedelta(hours=1))
    seen = part("certificates", trust=Trust((early,), (certificate("root", "root"),)))
    assert seen.state is State.FAILED
    assert "istiod (CN=istiod1) is not valid before 2026-11-23T04:00:00Z" in seen.reasons


def test_tokens_that_end_soon_warn_too() -> None:
    seen = part("certificates", remote=(kubeconfig(2, expires=NOW + timedelta(days=3, hours=1)),))
    assert seen.state is State.WARNING
    assert seen.reasons == ("token for cluster2 ends in 3 days, at 2026-11-26T04:00:00Z",)
    assert "token for cluster2 3 d" in seen.text


def test_while_a_root_is_replaced_the_one_that_ends_first_is_shown() -> None:
    roots = (certificate("old", "old", 100), certificate("new", "new", 3000))
    assert "root 100 d" in part("certificates", trust=Trust((), roots)).text


def at(stage: Stage, root: str = "generated") -> model.Trust:
    """Trust declared at a stage."""
    rotation = None if stage is Stage.OLD else {"stage": stage.value}
    return model.Trust.model_validate({"root": root, "rotation": rotation})


ROOT, SUCCESSOR = certificate("root", "root", 3000), certificate("successor", "successor", 3650)


@pytest.mark.parametrize(
    ("roots", "signs", "declared_stage", "text"),
    [
        ((ROOT,), "root", Stage.OLD, "istiod"),
        ((ROOT, SUCCESSOR), "root", Stage.BOTH_TRUSTED, "rotation both-trusted"),
        ((ROOT, SUCCESSOR, SUCCESSOR), "successor", Stage.NEW_SIGNS, "rotation new-signs"),
        ((SUCCESSOR,), "successor", Stage.NEW_ONLY, "rotation new-only"),
    ],
)
def test_the_stage_of_a_rotation_is_told_by_what_signs_and_is_trusted(
    roots: tuple[Certificate, ...], signs: str, declared_stage: Stage, text: str
) -> None:
    found = certificates(cluster(1, trust=replace(trust(1, signs), roots=roots)), NOW, at(declared_stage))
    assert (found.state, found.reasons) == (State.OK, ())
    assert found.text.startswith(text)
    assert found.facts["rotation"] is declared_stage


def test_a_cluster_that_is_not_at_the_declared_stage_warns_with_the_command_that_goes_on() -> None:
    lagging = replace(trust(1), roots=(ROOT, SUCCESSOR))
    found = certificates(cluster(1, trust=lagging), NOW, at(Stage.NEW_SIGNS))
    assert found.state is State.WARNING
    [reason] = found.reasons
    assert reason.startswith("its root's replacement is at stage both-trusted, new-signs is declared")
    assert "`spanmesh rotate root`" in reason
    three = replace(trust(1), roots=(ROOT, SUCCESSOR, certificate("third", "third", 3650)))
    assert certificates(cluster(1, trust=three), NOW, at(Stage.OLD)).reasons == (), (
        "roots of other hands are no rotation"
    )


def test_a_provided_text_with_several_roots_is_no_rotation() -> None:
    several = replace(trust(1), roots=(ROOT, SUCCESSOR))
    found = certificates(cluster(1, trust=several), NOW, at(Stage.OLD, "provided"))
    assert (found.state, found.reasons, found.facts["rotation"]) == (State.OK, (), Stage.OLD)
    unfinished = certificates(cluster(1, trust=several), NOW, at(Stage.OLD))
    assert unfinished.reasons[0].startswith("its root's replacement is at stage both-trusted, old is declared")


def test_everything_that_ends_is_listed_with_the_first_to_end_first_and_a_shared_root_once() -> None:
    both = observed(cluster(1, trust=trust(1, days=90)), cluster(2))
    listed = [(each.what, each.cluster, each.days_left) for each in expiries(standing(both, IN_STEP))]
    assert listed == [
        ("intermediate", "cluster1", 90),
        ("istiod", "cluster1", 300),
        ("istiod", "cluster2", 300),
        ("intermediate", "cluster2", 700),
        ("root (CN=root)", "", 3000),
    ]


def test_fewer_istiods_than_wanted_and_one_that_is_not_ready_are_missing() -> None:
    settings = replace(cluster(1).settings, replicas=2)  # type: ignore[type-var]
    assert part("istiod", settings=settings).reasons == ("1 of 2 istiod pods are there",)
    waiting = istiod(1, ready=False, reason="ImagePullBackOff")
    assert part("istiod", istiods=(waiting,)).reasons == ("istiod pod istiod-1 is not ready: ImagePullBackOff",)
    assert part("istiod", istiods=(), settings=None).state is State.FAILED


def test_an_istiod_that_does_not_say_what_it_does_cannot_be_told_and_is_never_ok() -> None:
    seen = first(istiods=(istiod(1, reason="port 8080 is forbidden", version="", remotes=()),))
    assert seen.part("istiod").state is State.SKIPPED
    assert seen.part("remotes").text == "1/1 configured, ?/1 connected"
    assert (seen.state, exit_code([seen])) == (State.SKIPPED, 2)


def test_a_gateway_without_address_says_who_cannot_reach_it_and_what_the_cloud_says() -> None:
    seen = part("gateway", gateway=gateway(addresses=(), events=("SyncLoadBalancerFailed: quota exceeded",)))
    assert seen.text == "no address, 2/2 ready"
    assert seen.reasons == (
        "its east-west gateway has no address, and cluster2 cannot reach it: SyncLoadBalancerFailed: quota exceeded",
    )
    assert part("gateway", gateway=None).state is State.FAILED


def test_gateway_pods_that_are_missing_or_not_ready_are_named() -> None:
    assert part("gateway", gateway=gateway(pods=PODS[:1])).reasons == ("1 of 2 gateway pods are there",)
    waiting = (PODS[0], GatewayPod("gateway-b", ready=False, reason="Unschedulable"))
    assert part("gateway", gateway=gateway(pods=waiting)).reasons == (
        "gateway pod gateway-b is not ready: Unschedulable",
    )


def test_versions_that_differ_warn() -> None:
    seen = part("versions", istiods=(istiod(1, version="1.22.3"),))
    assert seen.state is State.WARNING
    assert seen.reasons == (
        "istiod is 1.22.3, 1.30.5 is declared: `pulumi up`",
        "gateway proxies are 1.30.5, istiod is 1.22.3: restart the gateway",
    )


def test_policy_is_as_its_comparison_says() -> None:
    seen = observed(cluster(1, gateway=gateway()), cluster(2, gateway=gateway()))
    compared = {"cluster1": InStep(3, ("VirtualService shop/reviews is different",)), "cluster2": InStep(unknown="no")}
    changed, unknown = (each.part("policy") for each in standing(seen, compared))
    assert (changed.state, changed.text) == (State.FAILED, "1 of 3 not in step")
    assert changed.reasons == ("VirtualService shop/reviews is different: `spanmesh drift` shows it",)
    assert (unknown.state, unknown.reasons) == (State.SKIPPED, ("no",))
    assert standing(seen, {})[0].part("policy").state is State.SKIPPED


def of_revisions(*istiods: Istiod, **istio: Any) -> ClusterStanding:
    """How cluster1 stands where it has these istiods and declares this Istio."""
    seen = observed(cluster(1, gateway=gateway(), istiods=istiods))
    mesh = seen.mesh.model_copy(update={"istio": Istio.model_validate(istio)})
    return standing(replace(seen, mesh=mesh), IN_STEP)[0]


def test_each_istiod_is_held_against_the_version_of_its_revision() -> None:
    old, new = istiod(1, "istiod-a", version="1.29.4"), istiod(1, "istiod-new-a", version="1.30.5", revision="new")
    beside: dict[str, Any] = {"version": "1.29.4", "revisions": [{"name": "new", "version": "1.30.5"}]}
    swapped = {"version": "1.30.5", "revision": "new", "revisions": [{"name": "default", "version": "1.29.4"}]}
    seen = of_revisions(old, new, **swapped)
    assert seen.part("versions").state is State.OK
    assert seen.part("versions").facts["revisions"] == {"new": ["1.30.5"], "default": ["1.29.4"]}
    assert seen.part("istiod").text == "2/2 ready (default, new), 0 proxies"
    assert [each["revision"] for each in seen.part("istiod").facts["pods"]] == ["default", "new"]
    # The gateways are of 1.30.5, and the default revision is not.
    (behind,) = of_revisions(old, new, **beside).part("versions").reasons
    assert behind == "gateway proxies are 1.30.5, istiod is 1.29.4: restart the gateway"
    (missing,) = of_revisions(new, **swapped).part("versions").reasons
    assert missing == "there is no istiod of revision default: `pulumi up`"
    (left,) = of_revisions(old, new, version="1.30.5", revision="new").part("versions").reasons
    assert left == "istiod is 1.29.4, none is declared: `pulumi up`"
    (other,) = (
        of_revisions(replace(new, version="1.30.4"), version="1.30.5", revision="new").part("versions").reasons[:1]
    )
    assert other == "istiod of revision new is 1.30.4, 1.30.5 is declared: `pulumi up`"


def test_the_end_of_the_operators_own_kubeconfig_is_listed_and_no_warning() -> None:
    for_a_day = cluster(1, credentials=NOW + timedelta(hours=25))
    found = certificates(for_a_day, NOW, at(Stage.OLD))
    assert (found.state, found.reasons) == (State.OK, ())
    assert found.text == "kubeconfig 1 d, istiod 300 d, intermediate 700 d, root 3000 d"
    [first, *_] = expiries(standing(observed(for_a_day), IN_STEP))
    assert (first.what, first.cluster, first.days_left) == ("kubeconfig", "cluster1", 1)
