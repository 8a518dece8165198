"""Runs of Pulumi that break off: by another run, by SIGKILL, by a cluster that does not answer; and are run again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab import Lab
from tests.lab.faults.runs import (
    APPLIES,
    DONE,
    accounted,
    applied,
    go_on,
    in_state,
    killed,
    resources,
    running,
    settled,
)
from tests.lab.left_overs import left_in
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

ISTIOD = "mesh-cluster2-control-plane-istiod {}"
UNREACHABLE = "spanmesh:mesh.clusters[1].kubeconfig: cluster cluster2: "


def change(mesh: LabStack, text: str, seconds: int = 180) -> None:
    """Declare something that istiod and the gateway of every cluster have to take, istiod within so many seconds."""
    mesh.mesh["istio"].update(env={"SPANMESH_TEST": text}, timeoutSeconds=seconds)
    mesh.mesh["eastWest"]["annotations"] = {"example.com/changed": text}
    mesh.write()


@contextmanager
def out_of_reach(lab: Lab, region: str) -> Iterator[None]:
    """A region's API server cannot be reached from this machine, from one moment to the next."""
    forwarders = lab.machine("host").supervisor
    forwarders.stop(f"{region}-api")
    try:
        yield
    finally:
        forwarders.start(f"{region}-api")


def test_a_second_update_is_refused_and_the_first_comes_to_its_end(mesh: LabStack, tmp_path: Path) -> None:
    mesh.mesh["eastWest"]["annotations"] = {"example.com/changed": "two at once"}
    mesh.write()
    with running(mesh, tmp_path / "up", "up") as first:
        assert first.until("updating")
        second = mesh.attempt("up", "--yes", "--skip-preview")
        assert second.returncode != 0
        assert "the stack is currently locked by 1 lock(s)" in second.stdout
        assert f"(pid {first.process.pid})" in second.stdout
        assert "`pulumi cancel`" in second.stdout
        first.end()
    accounted(mesh)


def test_an_update_that_loses_a_cluster_in_the_middle_or_is_killed_is_run_again(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    mesh = mirrored.stack
    change(mesh, "lost in the middle", seconds=20)
    with running(mesh, tmp_path / "up", "up") as run:
        assert run.until(ISTIOD.format("updating"))
        with out_of_reach(mirrored.lab, "cn-east-3"):
            run.process.wait()
    assert run.process.returncode != 0
    assert "cluster cluster2" in run.text
    change(mesh, "killed")
    with ExitStack() as left:
        killed(mesh, left, tmp_path / "1", "pulumi alone", (ISTIOD.format("updating"), 1), "up")
        killed(mesh, left, tmp_path / "2", "all its processes", (DONE, 1), "up")
        go_on(mesh, "up")
    settled(mesh)


def test_an_api_server_that_is_down_is_named_before_anything_is_touched(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    change(mesh, "down")
    before = in_state(mesh), applied(mesh)
    with mirrored.lab.faults.api_server_stopped("cluster2"):
        preview = mesh.attempt("preview")
        assert preview.returncode == 0, preview.stdout
        assert f"warning: {UNREACHABLE}" in preview.stdout
        for command in (["up"], ["destroy", "--run-program"]):
            refused = mesh.attempt(*command, "--yes", "--skip-preview")
            assert refused.returncode != 0, refused.stdout
            assert UNREACHABLE in refused.stdout
        assert "skipUpdateUnreachable: true" in refused.stdout
        refresh = mesh.attempt("refresh", "--yes", "--skip-preview")
        assert refresh.returncode != 0, refresh.stdout
        assert "cluster2" in refresh.stdout
    assert (in_state(mesh), applied(mesh)) == before


def test_a_removal_that_loses_a_cluster_or_is_killed_is_taken_back_or_finished(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    mesh = mirrored.stack
    with out_of_reach(mirrored.lab, "cn-east-3"):
        ended = mesh.attempt("destroy", "--yes", "--skip-preview")
    assert ended.returncode != 0, ended.stdout
    assert "cluster2" in ended.stdout
    with ExitStack() as left:
        killed(mesh, left, tmp_path / "1", "all its processes", (ISTIOD.format("deleting"), 1), "destroy")
        go_on(mesh, "up")
        accounted(mesh)
        killed(mesh, left, tmp_path / "2", "pulumi alone", (DONE, 1), "destroy")
        go_on(mesh, "destroy", "--run-program")
    assert resources(mesh) == []
    assert {kind: names for a in mesh.accesses.values() for kind, names in left_in(a).items() if names} == {}


def test_a_first_update_killed_at_many_points_is_run_again(mesh: LabStack, tmp_path: Path) -> None:
    with ExitStack() as left:
        killed(mesh, left, tmp_path / "1", "all its processes", (DONE, 3), "up")
        killed(mesh, left, tmp_path / "2", "pulumi alone", (ISTIOD.format("creating"), 1), "up")
        killed(mesh, left, tmp_path / "3", "all its processes", ("gateway-deployment creating", 1), "up")
        go_on(mesh, "up")
    # What a run had begun to create Pulumi warns of in every update until it is told that all is there.
    cleared = mesh.attempt("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    assert cleared.returncode == 0, cleared.stdout
    # What a killed run made, and the next one once more, both hold: neither could change it.
    twice = twice_held(mesh)
    repaired = spanmesh(mesh, "repair")
    assert repaired.returncode == 0, repaired.stderr
    assert ("is no longer held by an interrupted run too" in repaired.stderr) == bool(twice), (twice, repaired.stderr)
    assert twice_held(mesh) == []
    change(mesh, "after it was killed")
    mesh.up()
    settled(mesh)


def twice_held(mesh: LabStack) -> list[str]:
    """The objects that two runs of Pulumi hold fields of."""
    ended = mesh.attempt("refresh", "--yes", "--skip-preview")
    assert ended.returncode == 0, ended.stdout
    found = []
    for each in resources(mesh):
        metadata = (each.get("outputs") or {}).get("metadata")
        entries = metadata.get("managedFields") or [] if isinstance(metadata, dict) else []
        if len({entry["manager"] for entry in entries if entry["manager"].startswith(APPLIES)}) > 1:
            found.append(each["urn"])
    return found
