"""When `spanmesh forget` refuses, and what it leaves to Pulumi."""

import json
import os
import stat
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from topology import MeshConfigError

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "c", "user": {"token": "t"}}],
}
PROVIDER = "urn:pulumi:prod::spanmesh::pulumi:providers:kubernetes::cluster2"
STATE = {
    "version": 3,
    "deployment": {
        "resources": [
            {
                "urn": PROVIDER,
                "type": "pulumi:providers:kubernetes",
                "inputs": {"kubeconfig": yaml.safe_dump(KUBECONFIG)},
            }
        ]
    },
}
# What `pulumi` is asked to import is kept beside it.
PULUMI = """#!/bin/sh
case "$*" in
  "stack export"*) cat {state} ;;
  "stack import"*) cat > {imported} ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    declare(tmp_path, "cluster1")
    state, program = tmp_path / "state.json", tmp_path / "bin" / "pulumi"
    state.write_text(json.dumps(STATE))
    program.parent.mkdir()
    program.write_text(PULUMI.format(state=state, imported=tmp_path / "imported.json"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return tmp_path


def declare(project: Path, *names: str) -> None:
    clusters = [
        {"name": name, "network": f"network-{name}", "apiServer": f"https://{name}.example:6443"} for name in names
    ]
    (project / "stacks/Pulumi.prod.yaml").write_text(
        yaml.safe_dump({"config": {"spanmesh:mesh": {"clusters": clusters}}})
    )


def run(project: Path, *arguments: str) -> None:
    CliRunner().invoke(app, ["forget", *arguments, "--stack", "prod", "--cwd", str(project)], catch_exceptions=False)


def imported(project: Path) -> object:
    path = project / "imported.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_a_cluster_that_is_gone_leaves_the_state(project: Path) -> None:
    run(project, "cluster2", "--yes")
    assert imported(project) == {"version": 3, "deployment": {"resources": []}}


def test_nothing_is_forgotten_without_a_yes(project: Path) -> None:
    run(project, "cluster2")
    assert imported(project) is None


def test_a_cluster_that_is_still_declared_is_not_forgotten(project: Path) -> None:
    declare(project, "cluster1", "cluster2")
    with pytest.raises(MeshConfigError, match=r"clusters\[1\].*still declared.*Take its entry out"):
        run(project, "cluster2", "--yes")
    assert imported(project) is None


def test_a_name_that_the_state_does_not_know_is_refused_with_those_that_it_knows(project: Path) -> None:
    with pytest.raises(MeshConfigError, match=r"nothing in a cluster cluster9.*It has: cluster2"):
        run(project, "cluster9", "--yes")
