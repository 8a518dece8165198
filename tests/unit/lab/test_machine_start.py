"""When a machine that is being started counts as failed."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machine import Machine
from lab.state import LabFolders


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose process is never seen, as in the middle of an exec."""
    monkeypatch.setenv("SPANMESH_STATE", str(tmp_path))
    monkeypatch.setattr("lab.state.RUN_ROOT", tmp_path / "run")
    monkeypatch.setattr("lab.machine.marked_processes", lambda _lab: [])
    monkeypatch.setattr("lab.machine.subprocess.run", lambda *_args, **_options: None)
    monkeypatch.setattr("lab.cgroups.delete_machine_group", lambda *_names: None)
    monkeypatch.setattr("lab.cgroups.ensure_machine_group", lambda *_names: [])
    return Machine(LabFolders("unit"), "node", hostname="node", namespace=None)


def test_a_machine_whose_process_is_not_seen_at_first_still_comes_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, False, False, True])
    monkeypatch.setattr(machine.supervisor, "answers", lambda: next(answers))
    machine.ensure_running([])
    assert next(answers, "all used") == "all used"


def test_a_machine_that_stays_away_is_an_error_with_its_log(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.supervisor, "answers", lambda: False)
    with pytest.raises(LabError, match=r"machine node of lab unit does not start \(log .*machine.log\)"):
        machine.ensure_running([])
