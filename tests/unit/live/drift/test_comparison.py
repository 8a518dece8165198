"""Two forms of one object held against each other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from live.drift.comparison import Manner, compare

FOLDER = Path(__file__).parent


def cases(name: str) -> list[Any]:
    """The cases of a table, each called by its name."""
    return [pytest.param(case, id=case["name"]) for case in yaml.safe_load((FOLDER / name).read_text())]


def live(case: dict[str, Any]) -> dict[str, Any]:
    """The live object of a case, with what the API server says of who set what."""
    found: dict[str, Any] = case["live"]
    managed = [
        {"manager": name, "operation": "Update", "time": f"2026-01-0{day}T00:00:00Z", "fieldsV1": fields}
        for day, (name, fields) in enumerate(case.get("managed", {}).items(), start=1)
    ]
    if not managed and not case.get("unbooked"):
        managed = [{"manager": "somebody", "fieldsV1": {"f:metadata": {"f:finalizers": {}}}}]
    return {**found, "metadata": {**found.get("metadata", {}), "managedFields": managed}}


def told(case: dict[str, Any], *, typed: bool) -> list[str]:
    """The differences of a case, a line each; the mended object has none left."""
    comparison = compare(case["declared"], live(case), Manner(typed))
    if comparison.differences:
        assert comparison.diff
        assert compare(case["declared"], comparison.mended, Manner(typed)).differences == ()
    return [f"{each.path} {each.change} {each.by}" for each in comparison.differences]


@pytest.mark.parametrize("case", cases("typed.yaml"))
def test_an_object_of_kubernetes_own_types(case: dict[str, Any]) -> None:
    assert told(case, typed=True) == case.get("differences", [])


@pytest.mark.parametrize("case", cases("custom.yaml"))
def test_a_custom_resource(case: dict[str, Any]) -> None:
    assert told(case, typed=False) == case.get("differences", [])


def test_the_diff_holds_what_differs_and_not_what_kubernetes_filled_in() -> None:
    declared = {"spec": {"a": "one", "b": 2}}
    comparison = compare(declared, {"metadata": {"uid": "7"}, "spec": {"a": "two", "b": 2, "c": 3}}, Manner(typed=True))
    assert comparison.diff.splitlines()[3:] == [
        "   annotations: {}",
        "   labels: {}",
        " spec:",
        "-  a: one",
        "+  a: two",
        "   b: 2",
    ]


def test_a_text_of_several_lines_differs_by_line() -> None:
    declared = {"data": {"mesh": "first: 1\nsecond: 2\n"}}
    diff = compare(declared, {"metadata": {}, "data": {"mesh": "first: 1\nsecond: 3\n"}}, Manner(typed=True)).diff
    assert [line for line in diff.splitlines()[2:] if line[0] in "+-"] == ["-    second: 2", "+    second: 3"]


def test_mending_changes_nothing_but_what_differs() -> None:
    live_object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "resourceVersion": "5", "labels": {"app": "x", "team": "mesh"}},
        "spec": {"replicas": 2, "paused": False, "dnsPolicy": "ClusterFirst"},
        "status": {"readyReplicas": 2},
    }
    declared = {"metadata": {"labels": {"app": "istiod"}}, "spec": {"replicas": 1}}
    mended = compare(declared, live_object, Manner(typed=True)).mended
    assert mended["metadata"] == {
        "name": "istiod",
        "resourceVersion": "5",
        "labels": {"app": "istiod", "team": "mesh"},
        "annotations": {},
    }
    assert mended["spec"] == {"replicas": 1, "paused": False, "dnsPolicy": "ClusterFirst"}
    assert mended["status"] == live_object["status"]


def test_a_field_that_the_manner_leaves_out_is_in_neither_form() -> None:
    manner = Manner(typed=True, ignored=lambda path, declared, live: path == ("spec", "replicas"))
    comparison = compare({"spec": {"replicas": 1, "a": 1}}, {"metadata": {}, "spec": {"replicas": 5, "a": 2}}, manner)
    assert [each.path for each in comparison.differences] == ["spec.a"]
    assert "replicas" not in comparison.diff
    assert comparison.mended["spec"] == {"replicas": 5, "a": 1}
