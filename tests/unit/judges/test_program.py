"""What ends a preview or an update, and what is only said."""

from collections.abc import Iterator
from unittest.mock import patch

import pulumi
import pytest

from judges import program
from live.kubeconfig import ClusterAccess
from policy.document import parse
from policy.finding import Finding, Rule, at
from policy.review import Gathered, Review
from policy.world import Live, Placed, World
from topology import Mesh, load_mesh

ERROR = Rule("SM900", "An error", "error", "Requests fail", "Write it right", "https://istio.io")
WARNING = Rule("SM901", "A warning", "warning", "Requests may fail", "Think", "https://istio.io")
(DOCUMENT,) = parse("kind: Telemetry\nmetadata: {name: a, namespace: b}\n", "policies/a.yaml")
(EXCUSED,) = parse(
    "kind: Telemetry\nmetadata: {name: a, namespace: b, annotations: {acknowledge.spanmesh.io/SM900: for a test}}\n",
    "policies/a.yaml",
)
GATHERED = Gathered((Placed(DOCUMENT, ("cluster1",)),), ())
ACCESSES = {"cluster1": ClusterAccess("cluster1", {})}


@pytest.fixture
def mesh() -> Mesh:
    return load_mesh({"clusters": [{"name": "cluster1", "network": "n1", "apiServer": "https://203.0.113.1:6443"}]})


@pytest.fixture
def said() -> Iterator[list[tuple[str, str]]]:
    """What went to Pulumi's log, with its severity."""
    lines: list[tuple[str, str]] = []
    with (
        patch.object(pulumi.log, "warn", lambda text: lines.append(("warning", text))),
        patch.object(pulumi.log, "info", lambda text: lines.append(("info", text))),
    ):
        yield lines


def checked(
    mesh: Mesh, *findings: Finding, preview: bool = True, read: bool = True, missing: tuple[str, ...] = ()
) -> None:
    review = Review(World(mesh, GATHERED.placed, {"cluster1": Live()} if read else {}), findings, missing)
    with (
        patch.object(program, "hear", lambda *_, **__: review),
        patch.object(pulumi.runtime, "is_dry_run", lambda: preview),
        patch.object(pulumi, "get_stack", lambda: "prod"),
    ):
        program.check_policy(mesh, GATHERED, ACCESSES)


def test_errors_end_it_with_place_and_cure(mesh: Mesh, said: list[tuple[str, str]]) -> None:
    with pytest.raises(pulumi.RunError, match=r"1 problem.*\n.*policies/a.yaml:2: SM900.*it is wrong. Write it right"):
        checked(mesh, at(DOCUMENT, ("metadata",), ERROR, "it is wrong"))
    assert not said


def test_warnings_and_reasons_are_said(mesh: Mesh, said: list[tuple[str, str]]) -> None:
    excused = at(EXCUSED, (), ERROR, "it is wrong")
    checked(mesh, at(DOCUMENT, (), WARNING, "it may be wrong"), excused, missing=("istioctl 1.30.5 is not there",))
    assert [severity for severity, _ in said] == ["info", "info", "warning"]
    assert "istioctl 1.30.5 is not there" in said[0][1]
    assert "for a test" in said[1][1]


def test_an_update_needs_to_know_whose_objects_are_there(mesh: Mesh, said: list[tuple[str, str]]) -> None:
    checked(mesh, read=False)
    with pytest.raises(pulumi.RunError, match="cluster1: whose objects are there cannot be told"):
        checked(mesh, read=False, preview=False)
    checked(mesh, preview=False)


def test_without_policy_nobody_is_asked(mesh: Mesh) -> None:
    with patch.object(program, "hear", side_effect=AssertionError):
        program.check_policy(mesh, Gathered((), ()), ACCESSES)
