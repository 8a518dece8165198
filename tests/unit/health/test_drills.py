"""What clients felt of a drill decides whether it is ok, a warning or a failure."""

from dataclasses import replace
from typing import Any

import pytest

from health.check import Result, State
from health.checks import DRILLS
from health.drill import Drill, Sample
from health.examination import examine
from health.observed import Observed
from tests.unit.health.facts import NOW, declared

MARKS = {
    "failover": ("only local answers", "servers fail", "first remote answer", "servers are back", "first local answer"),
    "gateway-kill": ("gateway pod deleted", "gateway pod replaced", "first answer of the replaced gateway"),
    "token-rotation": ("remote Secret rewritten", "istiods synced", "remote Secret written back"),
}


def drill(name: str, *without: str, **given: Any) -> Drill:
    """A drill that nobody felt, with a mark each second but those that are left out."""
    samples = tuple(Sample(at / 10, ("cluster1", "cluster2")[at % 2], 3) for at in range(60))
    marks = tuple((float(at), what) for at, what in enumerate(MARKS[name]) if what not in without)
    return replace(Drill(name, "", "cluster1", "cluster2", samples, marks), **given)


def said(made: Drill) -> Result:
    """What its check says."""
    observed = Observed(declared(), NOW, {}, drills=(made,))
    (result,) = examine(observed, DRILLS)
    return result


@pytest.mark.parametrize("name", MARKS)
def test_a_drill_that_nobody_felt_is_ok(name: str) -> None:
    assert said(drill(name)).state is State.OK


@pytest.mark.parametrize(
    ("name", "code"), [("failover", "SM702"), ("gateway-kill", "SM705"), ("token-rotation", "SM707")]
)
def test_requests_that_failed_meanwhile_are_a_warning(name: str, code: str) -> None:
    felt = drill(name)
    felt = replace(felt, samples=(*felt.samples, Sample(6, "", 5, "503 no healthy upstream")))

    result = said(felt)

    assert result.cause and (result.cause.code, result.state) == (code, State.WARNING)
    assert "1 of 61 requests failed (503 no healthy upstream)" in result.message


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (drill("failover", "first remote answer"), "SM701"),
        (drill("failover", "first local answer"), "SM703"),
        (drill("gateway-kill", "first answer of the replaced gateway"), "SM704"),
        (drill("gateway-kill", reason="1 pods were ready, and are not again"), "SM704"),
        (drill("token-rotation", reason="the proxy lost 198.51.100.80:15443"), "SM706"),
        (drill("token-rotation", undone=False), "SM708"),
    ],
)
def test_what_does_not_come_back_is_a_failure(made: Drill, code: str) -> None:
    result = said(made)

    assert result.cause and (result.cause.code, result.state) == (code, State.FAILED)


def test_answers_of_others_meanwhile_do_not_hide_that_a_gateway_was_away() -> None:
    kept = drill("gateway-kill")
    away = replace(kept, samples=tuple(s for s in kept.samples if s.answered == "cluster1" or not 1 < s.at < 5))

    result = said(away)

    assert result.cause and result.cause.code == "SM705"
    assert "4.2 s" in result.message


def test_a_drill_that_was_not_made_is_skipped_with_its_reason() -> None:
    result = said(Drill("token-rotation", "", "cluster1", "cluster2", reason="istiod 1.30.2 loses endpoints"))

    assert (result.state, result.message) == (State.SKIPPED, "istiod 1.30.2 loses endpoints")
