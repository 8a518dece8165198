"""Whether API servers and istiods are there."""

from dataclasses import replace

import pytest

from health.check import State
from health.checks import CHECKS
from health.examination import examine
from health.observed import IstiodSettings, ObservedCluster, Unknown
from tests.unit.health.facts import cluster, istiod, observed, said, wrong

DOWN = istiod(1, "istiod-a", ready=False, reason="container discovery: ImagePullBackOff", remotes=())


@pytest.mark.parametrize(("status", "code"), [(None, "SM611"), (401, "SM612"), (403, "SM612"), (503, "SM611")], ids=str)
def test_an_api_server_that_cannot_be_used_is_named_by_why(status: int | None, code: str) -> None:
    facts = observed(cluster(2, kubernetes=Unknown("it says why", status)))
    assert wrong(facts, "api-servers") == [(code, "cluster2")]
    assert said(facts, "api-servers")[1].message == "it says why"


def test_of_a_cluster_that_does_not_answer_nothing_else_is_a_finding_or_called_ok() -> None:
    unknown = Unknown("connection refused")
    dead = ObservedCluster("cluster2", unknown)
    # Fields not asked stand for what an observation gives of a dead cluster: Unknown, all of them.
    results = [each for each in examine(observed(dead), CHECKS) if "cluster2" in (each.cluster, each.peer)]
    of_it = [each for each in results if each.cluster == "cluster2"]
    assert [each.cause.code for each in of_it if each.cause] == ["SM611"]
    assert [each.check.name for each in of_it if each.state is State.OK] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"istiods": ()}, [("SM613", "cluster1")]),
        ({"istiods": (DOWN,)}, [("SM614", "cluster1")]),
        ({"istiods": (istiod(1), DOWN)}, [("SM616", "cluster1")]),
        ({"istiods": (istiod(1, reason="connection refused"),)}, [("SM615", "cluster1")]),
        ({"settings": IstiodSettings("cluster1", "network1", "mesh1", "cluster.local", 2)}, [("SM616", "cluster1")]),
    ],
    ids=["none", "not ready", "one of two not ready", "mute", "fewer than wanted"],
)
def test_istiods_that_are_missing_or_silent_are_named(
    given: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert wrong(observed(replace(cluster(1), **given)), "istiods") == expected  # type: ignore[arg-type]


def test_why_an_istiod_is_not_ready_is_in_the_message() -> None:
    message = said(observed(cluster(1, istiods=(DOWN,))), "istiods")[0].message
    assert message == "istiod pod istiod-a is not ready: container discovery: ImagePullBackOff"
