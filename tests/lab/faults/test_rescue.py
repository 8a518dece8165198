"""A state that is older than the clusters, cut off by a full disk, or lost: put back or rescued, under load."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from health.trust_change import HeldTrust
from live.trust.held import read_all_held
from tests.lab.faults.runs import running, settled
from tests.lab.faults.small_disk import small_disk
from tests.lab.faults.under_load import under_load
from tests.lab.rotation.command import rotate
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.spanmesh import spanmesh, started
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
SERVICE_ENTRY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "spec": {"hosts": ["elsewhere.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
}
FREE = 8 * 1024 * 1024
SECONDS = 120


@pytest.fixture(autouse=True)
def environment_of_pulumi(mesh: LabStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this process too: a stack file that a rescue has written holds what only Pulumi decrypts."""
    for name, value in mesh.environment.items():
        monkeypatch.setenv(name, value)


def changed(mirrored: Mirrored, text: str) -> None:
    """Declare an object of this name in place of the last one, and a change of the gateways."""
    mirrored.stack.mesh["eastWest"]["annotations"] = {"example.com/changed": text}
    metadata = {"name": text, "namespace": "sample"}
    mirrored.declare({f"{text}.yaml": [{**SERVICE_ENTRY, "metadata": metadata}]})


def state_files(mesh: LabStack) -> list[Path]:
    """The file of the state, and the copy beside it."""
    file = mesh.project / "backend/.pulumi/stacks/spanmesh" / f"{mesh.name}.json"
    return [file, file.with_name(f"{file.name}.bak")]


def cut_off(file: Path) -> bool:
    """Whether it is no whole JSON."""
    try:
        json.loads(file.read_text())
    except ValueError:
        return True
    return False


def test_a_state_of_an_earlier_time_is_brought_up_to_date_by_an_update_that_refreshes(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    changed(mirrored, "before")
    mesh.up()
    earlier = mesh.pulumi.read("stack", "export")
    changed(mirrored, "since")
    mesh.up()
    mesh.pulumi.feed(json.dumps(earlier), "stack", "import")
    with under_load(mirrored) as load:
        ended = mesh.attempt("up", "--yes", "--skip-preview", "--refresh")
        assert ended.returncode == 0, ended.stdout
    load.show("earlier state")
    assert {name: load.failures(name) for name in load.results} == {"cluster1": [], "cluster2": []}
    settled(mesh)
    for cluster in mirrored.accesses:
        assert [mirrored.holds(cluster, "serviceentry", name) for name in ("before", "since")] == [False, True]


def test_a_state_that_a_full_disk_cut_off_is_put_back_from_its_history_and_completed(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    mesh = mirrored.stack
    changed(mirrored, "disk-full")
    files = state_files(mesh)
    with small_disk(mesh.project / "backend", FREE) as disk:
        with running(mesh, tmp_path / "up", "up") as run:
            # It is live then, and the state that is put back does not know it.
            assert run.until("serviceentry-sample-disk-full created"), run.text
            # Pulumi itself tries for some minutes more, in vain.
            deadline = time.monotonic() + SECONDS
            while not all(map(cut_off, files)):
                disk.fill()
                assert time.monotonic() < deadline, run.text
                time.sleep(0.05)
        disk.enlarge()
    assert mesh.attempt("cancel", "--yes").returncode == 0
    broken = mesh.attempt("up", "--yes", "--skip-preview")
    assert broken.returncode != 0
    assert "failed to load checkpoint" in broken.stdout
    history = mesh.project / "backend/.pulumi/history/spanmesh" / mesh.name
    newest = max(history.glob("*.checkpoint.json"), key=lambda path: path.name)
    for file in files:
        file.unlink()
    files[0].write_bytes(newest.read_bytes())
    ended = spanmesh(mesh, "rescue", "--yes")
    assert ended.returncode == 0, ended.stderr
    mesh.up()
    settled(mesh)


def test_a_lost_state_is_rescued_even_by_a_run_that_was_killed_first(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    for file in state_files(mesh):
        file.unlink()
    with under_load(mirrored) as load:
        process = started(mesh, "rescue", "--yes")
        assert process.stderr is not None
        said = ""
        while "importing" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        time.sleep(2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert mesh.pulumi.read("stack", "export")["deployment"].get("resources") in (None, [])
        ended = spanmesh(mesh, "rescue", "--yes")
        assert ended.returncode == 0, ended.stderr
        assert "`spanmesh rotate root" in ended.stderr
        mesh.read()
        assert mesh.mesh["trust"]["root"] == "provided"
        assert {step["op"] for step in mesh.pulumi.preview()["steps"]} <= {"same", "read"}
        mesh.up()
    load.show("lost state")
    assert {name: load.failures(name) for name in load.results} == {"cluster1": [], "cluster2": []}
    settled(mesh)


def test_the_root_whose_key_was_lost_gives_way_to_one_that_the_state_has_the_key_of(mirrored: Mirrored) -> None:
    mesh = mirrored.stack
    lost = mesh.pulumi.outputs()["root"]["sha256"]
    with under_load(mirrored) as load:
        ended = rotate(mesh, "root")
        assert ended.code == 0, ended.said
    load.show("root after a rescue")
    assert {name: load.failures(name) for name in load.results} == {"cluster1": [], "cluster2": []}
    mesh.read()
    assert "root" not in mesh.mesh["trust"]
    assert mesh.pulumi.outputs()["root"]["sha256"] != lost
    held = read_all_held(mesh.accesses)
    trusted = {
        root.fingerprint
        for each in held.values()
        if isinstance(each, HeldTrust)
        for proxy in each.proxies
        for root in proxy.roots
    }
    assert trusted == {mesh.pulumi.outputs()["root"]["sha256"]}
    settled(mesh)
