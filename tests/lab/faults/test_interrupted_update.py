"""Runs of Pulumi that meet another one, or are killed."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.faults.runs import DONE, accounted, go_on, killed, running
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

ISTIOD = "mesh-cluster2-control-plane-istiod {}"


def change(mesh: LabStack, text: str) -> None:
    """Declare something that istiod and the gateway of every cluster have to take."""
    mesh.mesh["istio"]["env"] = {"SPANMESH_TEST": text}
    mesh.mesh["eastWest"]["annotations"] = {"example.com/changed": text}
    mesh.write()


def unchanged(mesh: LabStack) -> None:
    """Nothing is left to do."""
    ended = mesh.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout


def test_a_second_update_is_refused_and_the_first_comes_to_its_end(mesh: LabStack, tmp_path: Path) -> None:
    change(mesh, "two at once")
    with running(mesh, tmp_path / "up", "up") as first:
        assert first.until("updating")
        second = mesh.attempt("up", "--yes", "--skip-preview")
        assert second.returncode != 0
        assert "the stack is currently locked by 1 lock(s)" in second.stdout
        assert f"(pid {first.process.pid})" in second.stdout
        assert "`pulumi cancel`" in second.stdout
        first.end()
    accounted(mesh)


def test_an_update_killed_at_any_point_is_run_again(mesh: LabStack, tmp_path: Path) -> None:
    with ExitStack() as left:
        change(mesh, "killed")
        killed(mesh, left, tmp_path / "1", "pulumi alone", (ISTIOD.format("updating"), 1), "up")
        killed(mesh, left, tmp_path / "2", "all its processes", (DONE, 1), "up")
        go_on(mesh, "up")
    accounted(mesh)
    unchanged(mesh)
