"""Way 1: programs that are already on the machine."""

import os
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Make, Told, script, tool
from toolchain import ToolError

RULE = {"program": "hello", "version": ["--version"], "pattern": r"hello (\S+)", "accept": ">=1.2,<2"}


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_takes_program_on_path_of_accepted_version(make: Make, bin_folder: Path, told: Told) -> None:
    program = script(bin_folder / "hello", "echo hello 1.9.1")
    found = make(tool("hello", path=RULE)).ensure(["hello"], report=told)["hello"]
    assert (found.version, found.path, found.origin) == ("1.9.1", program, "path")
    assert told.started == []


@pytest.mark.parametrize("says", ["hello 2.0.0", "hello 1.1.9", "hello world", "nothing of the kind"])
def test_passes_over_program_on_path_of_other_or_unknown_version(make: Make, bin_folder: Path, says: str) -> None:
    script(bin_folder / "hello", f"echo {says}")
    toolchain = make(tool("hello", path=RULE))
    assert toolchain.find("hello") is None
    why = toolchain.why_not_on_path("hello") or ""
    assert str(bin_folder / "hello") in why
    assert ">=1.2,<2" in why


def test_next_folder_of_path_is_tried_after_a_wrong_version(
    make: Make, bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(bin_folder / "hello", "echo hello 0.1")
    right = script(tmp_path / "later" / "hello", "echo hello 1.5")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{right.parent}")
    found = make(tool("hello", path=RULE)).find("hello")
    assert found is not None
    assert found.path == right


def test_own_cache_on_path_is_not_taken_for_the_machines(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = script(tmp_path / "cache" / "tools" / "hello" / "1.2.3-build-x" / "hello", "echo hello 1.5")
    monkeypatch.setenv("PATH", f"{inside.parent}:{os.environ['PATH']}")
    assert make(tool("hello", path=RULE)).find("hello") is None


def test_path_in_environment_goes_before_path(
    make: Make, bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(bin_folder / "hello", "echo hello 1.9")
    mine = script(tmp_path / "mine", "echo hello 1.3")
    monkeypatch.setenv("SPANMESH_TOOL_HELLO", str(mine))
    found = make(tool("hello", path=RULE)).find("hello")
    assert found is not None
    assert (found.path, found.version, found.origin) == (mine, "1.3", "path")


def test_named_path_is_kept_for_later_runs_and_can_be_taken_back(make: Make, tmp_path: Path) -> None:
    mine = script(tmp_path / "mine", "echo hello 1.3")
    make(tool("hello", path=RULE)).use_paths({"hello": mine})
    found = make(tool("hello", path=RULE)).find("hello")
    assert found is not None
    assert found.path == mine
    make(tool("hello", path=RULE)).use_paths({"hello": None})
    assert make(tool("hello", path=RULE)).find("hello") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "there is no such file"), ("echo hello 2.1", "version 2.1"), ("echo 1.3", "does not tell its version")],
)
def test_named_path_that_does_not_do_is_an_error_and_not_passed_over(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, message: str
) -> None:
    path = tmp_path / "mine"
    if text is not None:
        script(path, text)
    monkeypatch.setenv("SPANMESH_TOOL_HELLO", str(path))
    with pytest.raises(ToolError, match=message) as caught:
        make(tool("hello", path=RULE)).ensure(["hello"])
    assert "SPANMESH_TOOL_HELLO" in str(caught.value)


def test_language_host_counts_as_the_pulumi_beside_it(make: Make, bin_folder: Path) -> None:
    host = tool("pulumi-language-python", path={"program": "pulumi-language-python", "companion": "pulumi"})
    script(bin_folder / "pulumi-language-python", "exit 1")
    assert make(host).find("pulumi-language-python") is None
    script(bin_folder / "pulumi", "echo v3.250.1")
    found = make(host).find("pulumi-language-python")
    assert found is not None
    assert found.version == "3.250.1"


def test_from_path_says_what_is_missing_and_how_to_name_it(make: Make, told: Told) -> None:
    with pytest.raises(ToolError) as caught:
        make(tool("hello", path=RULE), tool("quiet")).ensure(["hello", "quiet"], origin="path", report=told)
    message = str(caught.value)
    assert "hello: it is not on PATH" in message
    assert "quiet: its version cannot be told" in message
    assert "--path hello=" in message
    assert "SPANMESH_TOOL_QUIET" in message
    assert told.started == []
