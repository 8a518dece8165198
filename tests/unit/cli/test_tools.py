"""`spanmesh tools` as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.tools import app
from toolchain.catalogue import read_catalogue

RUN = CliRunner()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No tool is on PATH, none is in the cache."""
    monkeypatch.setenv("SPANMESH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "cache"


def kubectl(folder: Path, version: str) -> Path:
    program = folder / "my-kubectl"
    program.write_text(f'#!/bin/sh\necho \'{{"clientVersion": {{"gitVersion": "v{version}"}}}}\'\n')
    program.chmod(0o755)
    return program


def test_list_names_every_tool_and_what_is_missing() -> None:
    rows = json.loads(RUN.invoke(app, ["list", "-o", "json"]).stdout)
    assert [row["name"] for row in rows] == [spec.id for spec in read_catalogue().tools]
    assert {row["origin"] for row in rows} == {None}
    text = RUN.invoke(app, ["list"]).stdout
    assert "missing" in text
    assert "pilot-agent@1.22.3" in text


def test_program_at_a_given_path_is_used_then_and_later(tmp_path: Path) -> None:
    program = kubectl(tmp_path, "1.36.9")
    ran = RUN.invoke(app, ["install", "kubectl", "--path", f"kubectl={program}", "-o", "json"])
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == [{"name": "kubectl", "version": "1.36.9", "origin": "path", "path": str(program)}]
    assert str(program) in RUN.invoke(app, ["list", "-o", "json"]).stdout


def test_program_of_a_wrong_version_ends_with_an_error_and_is_not_kept(tmp_path: Path) -> None:
    program = kubectl(tmp_path, "1.20.0")
    ran = RUN.invoke(app, ["install", "kubectl", "--path", f"kubectl={program}"])
    assert ran.exit_code == 1
    assert "1.20.0" in ran.stderr
    assert ">=1.35,<1.38" in ran.stderr
    rows = json.loads(RUN.invoke(app, ["list", "-o", "json"]).stdout)
    assert next(row for row in rows if row["name"] == "kubectl")["note"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["install", "kubctl"], "no tool is called 'kubctl'"),
        (["install", "--path", "kubectl"], "expected NAME=PATH"),
        (["install", "--path", "nothing=/bin/sh"], "no tool is called 'nothing'"),
        (["install", "pilot-agent", "--from", "path"], "SPANMESH_TOOL_PILOT_AGENT_1_32_DEV"),
        (["install", "pilot-agent", "--from", "release"], "only inside the proxyv2 image"),
    ],
)
def test_mistake_ends_with_an_error_that_names_it(arguments: list[str], message: str) -> None:
    ran = RUN.invoke(app, arguments)
    assert ran.exit_code == 1
    assert message in ran.stderr
