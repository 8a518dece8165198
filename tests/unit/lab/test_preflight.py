"""A machine that cannot run the lab is told all that is missing, and what works all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab import preflight
from lab.errors import LabError


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which nothing is missing, whatever this one is."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("SPANMESH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SPANMESH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(preflight, "_kernel", list)
    monkeypatch.setattr(preflight, "_resources", list)
    return monkeypatch


def refusal() -> str:
    with pytest.raises(LabError) as caught:
        preflight.check_machine()
    return str(caught.value)


def test_a_machine_with_everything_passes(able: pytest.MonkeyPatch) -> None:
    preflight.check_machine()


def test_another_system_is_refused_and_told_what_works_all_the_same(able: pytest.MonkeyPatch) -> None:
    able.setattr("platform.system", lambda: "Darwin")
    said = refusal()
    assert "Linux: this is Darwin" in said
    assert "name real clusters by their kubeconfig" in said


def test_an_ordinary_user_is_refused(able: pytest.MonkeyPatch) -> None:
    able.setattr("os.geteuid", lambda: 1000)
    assert "run again as root" in refusal()


def test_all_that_is_missing_is_said_at_once(able: pytest.MonkeyPatch) -> None:
    able.undo()
    able.setattr("platform.system", lambda: "Linux")
    able.setattr("os.geteuid", lambda: 0)

    def failing(what: str) -> Callable[[], None]:
        def attempt() -> None:
            raise LabError(f"{what} refused")

        return attempt

    for name in ("_try_unshare", "_try_overlay", "_try_network", "_try_cgroup"):
        able.setattr(preflight, name, failing(name))
    able.setattr("lab.cgroups.missing_controllers", set)
    able.setattr(preflight, "find_program", lambda name: Path("/usr/bin") / name)
    able.setattr("os.sysconf", lambda _: 1024)
    said = refusal()
    for part in (
        "memory: ",
        "mount and PID namespaces: ",
        "overlay file system ",
        "bridge, veth",
        "writable cgroups: ",
    ):
        assert part in said


def test_missing_cgroup_controllers_are_named(able: pytest.MonkeyPatch) -> None:
    able.undo()
    able.setattr("lab.cgroups.missing_controllers", lambda: {"pids", "memory"})
    for name in ("_try_unshare", "_try_overlay", "_try_network"):
        able.setattr(preflight, name, lambda: None)
    assert "cgroup controllers memory, pids: mount or enable them" in preflight._kernel()


def test_too_little_disk_is_named_with_the_folder(able: pytest.MonkeyPatch, tmp_path: Path) -> None:
    able.undo()
    able.setenv("SPANMESH_STATE", str(tmp_path / "state"))
    able.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1024**3})())
    said = preflight._resources()
    assert any(f"1.0 GiB free at {tmp_path}" in each and "SPANMESH_STATE" in each for each in said)


def test_folders_that_machines_cannot_see_are_refused(able: pytest.MonkeyPatch) -> None:
    able.setenv("SPANMESH_STATE", "/run/spanmesh-state")
    assert "SPANMESH_STATE must not lie in /run" in refusal()


def test_too_few_watches_on_files_are_said_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(preflight, "_WATCH_LIMIT", limit)
    monkeypatch.setattr(preflight, "_free_watches", lambda wanted: min(wanted, 30))
    preflight.check_watches(1)
    with pytest.raises(LabError, match=r"only 30 of this user's 128 are free.*fs\.inotify\.max_user_instances=256"):
        preflight.check_watches(2)


def test_free_watches_are_counted_by_opening_them_and_given_back() -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    assert 0 <= preflight._free_watches(3) <= 3
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
