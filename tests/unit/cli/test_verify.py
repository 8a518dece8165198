"""The command verify: which checks it holds, how it prints what they say, and by which code it ends."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.verify import chosen, exit_code
from cli.verify_output import as_json, as_junit
from health.check import Cause, Check, Result, found, ok, skipped
from health.checks import DRILLS
from health.drill import Drill, Sample
from health.matrix import Cell, Row
from health.observed import Observed
from live.verification import EVERY, Verification
from tests.unit.health.facts import NOW, declared
from topology import MeshConfigError

BROKEN = Cause(
    "SM692", "no answer", "error", symptom="503", cause="closed", cure="open 15443", source="https://istio.io"
)
SLOW = replace(BROKEN, code="SM697", name="lossy", severity="warning")
TRAFFIC = Check("traffic", "everybody answers", (BROKEN, SLOW))
PLAIN = Check("plain-text", "plain text is refused", ())

OK = ok(TRAFFIC, "cluster1", "cluster1", "fine")
FAILED = found(TRAFFIC, BROKEN, "none of 100 requests <answered>", "cluster1", "cluster2")
WARNING = found(TRAFFIC, SLOW, "3 of 8 connections", "cluster2", "cluster1")
UNTOLD = skipped(TRAFFIC, "no probe serves there", "cluster1", "cluster2")
NOT_STRICT = skipped(PLAIN, "PERMISSIVE", "cluster1")
FOLLOWS = replace(UNTOLD, because=FAILED)


def verification(results: Sequence[Result]) -> Verification:
    """A run that came to these results, with a matrix and a drill."""
    cell = Cell((2.0, 4.0), {"198.51.100.80:15443": 2}, frozenset({"198.51.100.80:15443"}), "a", "b", {}, 0, 1)
    drill = Drill("failover", "", "cluster1", "cluster2", (Sample(0.1, "", 5, "503 down"),), ((0.05, "servers fail"),))
    matrix = {"cluster1": Row("cluster1", 2, {"cluster2": cell})}
    return Verification(Observed(declared(), NOW, {}, matrix, (drill,)), results, 1, 12.34)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([OK], 0),
        ([OK, WARNING], 0),
        ([OK, NOT_STRICT], 0),
        ([OK, UNTOLD], 2),
        ([FAILED, UNTOLD], 1),
        ([OK, FOLLOWS], 0),
    ],
)
def test_it_ends_by_1_on_a_failure_and_by_2_where_something_that_matters_was_skipped(
    results: list[Result], code: int
) -> None:
    assert exit_code(verification(results)) == code


def test_only_the_named_checks_are_held_in_their_own_order() -> None:
    names = [each.check.name for each in chosen(EVERY, ["traffic", "api-servers"])]

    assert names == ["api-servers", "traffic"]
    assert chosen(EVERY, []) == list(EVERY)


@pytest.mark.parametrize(("name", "cure"), [("trafic", "Did you mean traffic?"), ("failover", "--disruptive")])
def test_a_check_that_there_is_not_is_refused_with_what_there_is(name: str, cure: str) -> None:
    with pytest.raises(MeshConfigError, match=cure):
        chosen(EVERY, [name])


def test_drills_are_held_only_where_they_are_allowed() -> None:
    assert not {each.check.name for each in DRILLS} & {each.check.name for each in EVERY}
    assert [each.check.name for each in chosen([*EVERY, *DRILLS], ["failover"])] == ["failover"]


def test_junit_has_a_test_case_for_each_pair_and_says_why_it_failed_or_was_skipped() -> None:
    suites = Xml.fromstring(as_junit("lab", verification([OK, FAILED, WARNING, NOT_STRICT])))  # noqa: S314 - our own

    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("4", "1", "1")
    assert [suite.get("name") for suite in suites] == ["traffic", "plain-text"]
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    failure = cases["cluster1 -> cluster2"].find("failure")
    assert failure is not None and failure.text is not None
    assert (failure.get("type"), failure.get("message")) == ("SM692", "none of 100 requests <answered>")
    assert "open 15443" in failure.text
    assert "docs/troubleshooting.md#sm692" in failure.text
    assert cases["cluster2 -> cluster1"].findtext("system-out") == "warning SM697: 3 of 8 connections"
    passed_over = cases["cluster1"].find("skipped")
    assert passed_over is not None and passed_over.get("message") == "PERMISSIVE"


def test_json_has_results_matrix_and_the_samples_of_drills() -> None:
    said = as_json("lab", verification([FAILED]), 1)

    assert (said["stack"], said["state"], said["seconds"]) == ("lab", "failed", 12.3)
    (result,) = said["results"]
    assert (result["code"], result["cure"], result["peer"]) == ("SM692", "open 15443", "cluster2")
    cell = said["matrix"]["cluster1"]["servers"]["cluster2"]
    assert (cell["answers"], cell["p50Milliseconds"], cell["p99Milliseconds"]) == (2, 4.0, 4.0)
    assert cell["hops"] == [{"address": "198.51.100.80:15443", "kind": "gateway", "requests": 2}]
    assert said["drills"][0]["requests"][0]["failure"] == "503 down"
    assert said["drills"][0]["marks"] == [{"seconds": 0.05, "what": "servers fail"}]


def test_a_stack_that_is_not_there_is_no_verdict_on_the_mesh(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: spanmesh\nruntime: python\nstackConfigDir: stacks\n")

    ended = CliRunner().invoke(app, ["verify", "--stack", "nowhere", "--cwd", str(tmp_path)])

    assert ended.exit_code == 2
    assert "nowhere" in ended.output
