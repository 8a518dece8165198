"""What a lab keeps on disk, and the lock between commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.state import LabFolders, Memory, known_labs, locked, ports_of_other_labs, write_atomically


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANMESH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("lab.state.LOCK_ROOT", tmp_path / "lock")


def test_a_lab_remembers_what_it_is() -> None:
    memory = Memory(regions=3, nodes=2, istio_versions=["1.22.3"], ports={"cn-north-4": 16443}, complete=True)
    LabFolders("demo").save(memory)
    assert LabFolders("demo").load() == memory
    assert LabFolders("demo").plan().region_count == 3


def test_an_unknown_lab_is_named_with_those_that_there_are() -> None:
    LabFolders("mine").save(Memory(regions=1, nodes=1))
    with pytest.raises(LabError, match=r"no lab 'other' \(labs here: mine\); bring it up with `spanmesh lab up other`"):
        LabFolders("other").plan()


def test_a_damaged_file_is_named_with_the_cure() -> None:
    LabFolders("demo").save(Memory(regions=1, nodes=1))
    (LabFolders("demo").state / "lab.json").write_text('{"regions": "many"}')
    with pytest.raises(LabError, match=r"lab\.json is damaged .*`spanmesh lab down demo` clears the lab away"):
        LabFolders("demo").load()


def test_the_ports_of_other_labs_are_known_even_if_one_of_them_is_damaged() -> None:
    LabFolders("one").save(Memory(regions=1, nodes=1, ports={"cn-north-4": 16443}))
    LabFolders("two").save(Memory(regions=1, nodes=1, ports={"cn-north-4": 16444}))
    LabFolders("three").save(Memory(regions=1, nodes=1))
    (LabFolders("three").state / "lab.json").write_text("{")
    assert ports_of_other_labs("one") == {16444}
    assert known_labs() == ["one", "three", "two"]


def test_a_secret_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "key", "secret", mode=0o600)
    assert (tmp_path / "deep" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["key"]


HOLD = """
import pathlib, sys
import lab.state
lab.state.LOCK_ROOT = pathlib.Path(sys.argv[1])
with lab.state.locked("demo"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_held_by_another_process_is_refused_with_its_id_and_free_once_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LabError, match=rf"another command is changing it \(process {holder.pid}\)"), locked("demo"):
            pass
        with locked("other"):
            pass
        holder.kill()
        holder.wait()
        with locked("demo"):
            pass
    assert list((tmp_path / "lock").iterdir()) == []
