"""Results sorted for a reader."""

from health.check import Check, State, found, ok, skipped
from health.examination import Examined, examine
from report.verdicts import Places, lines, untold, where
from report.verdicts import found as findings
from tests.unit.report.meshes import API, DEAD, NO_SECRET, SECRETS, SLOW, TRAFFIC, faulty


def test_one_cause_in_many_places_is_one_finding() -> None:
    results = [found(SECRETS, NO_SECRET, f"no key {peer}", "cluster1", peer) for peer in ("cluster2", "cluster3")]
    (finding,) = findings(results)
    assert [(place.where, place.message) for place in finding.places] == [
        ("cluster1 -> cluster2", "no key cluster2"),
        ("cluster1 -> cluster3", "no key cluster3"),
    ]


def test_places_of_which_the_same_is_said_are_told_together() -> None:
    results = [found(SECRETS, NO_SECRET, "refused", f"cluster{n}", "cluster9") for n in range(1, 4)]
    (finding,) = findings(results)
    assert [place.where for place in finding.places] == ["cluster1, cluster2, cluster3 -> cluster9"]


def test_what_follows_from_a_failure_is_told_with_it_and_not_as_untold() -> None:
    later = Check("later", "Later", (NO_SECRET,), needs=(API.name,))
    needs = (
        Examined(API, lambda _: [found(API, DEAD, "no route to host", "cluster1")]),
        Examined(later, lambda _: [found(later, NO_SECRET, "x", "cluster1")]),
    )
    results = list(examine(faulty().observed, needs))
    (finding,) = findings(results)
    assert finding.cause is DEAD
    assert finding.places[0].consequences == ("later",)
    assert untold(results) == ()


def test_many_names_are_shortened() -> None:
    results = [skipped(TRAFFIC, "dead", f"cluster{n}", "cluster12") for n in range(1, 12)]
    assert where(results) == ("cluster1, cluster2, cluster3, cluster4, cluster5, cluster6 and 5 more -> cluster12")
    one_client = [skipped(TRAFFIC, "dead", "cluster12", f"cluster{n}") for n in range(1, 3)]
    assert where(one_client) == "cluster12 -> cluster1, cluster2"


def test_a_pair_is_worth_what_its_worst_result_says() -> None:
    results = [ok(SECRETS, "cluster1", "cluster2"), skipped(TRAFFIC, "no probe", "cluster1", "cluster2")]
    assert Places(results).state("cluster1", "cluster2") is State.SKIPPED
    results.append(found(TRAFFIC, SLOW, "slow", "cluster1", "cluster2"))
    assert Places(results).state("cluster1", "cluster2") is State.WARNING
    assert Places(results).state("cluster2", "cluster1") is None


def test_every_check_is_counted() -> None:
    counted = {line.check.name: dict(line.counts) for line in lines(faulty().results)}
    assert counted["traffic"] == {State.FAILED: 1, State.WARNING: 1, State.OK: 1}
    assert counted["trust"] == {State.SKIPPED: 1, State.OK: 2}
