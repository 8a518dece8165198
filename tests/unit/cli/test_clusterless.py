"""A preview without clusters keeps away from the user's state, and leaves nothing behind. Pulumi is a script here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from cli.project import ROOT

RUN = CliRunner()
MESH = {
    "clusters": [
        {
            "name": "cluster1",
            "network": "network1",
            "apiServer": "https://203.0.113.1",
            "kubeconfig": {"env": "NO_SUCH"},
        }
    ]
}
URN = "urn:pulumi:prod::spanmesh::"
DIGEST = {
    "steps": [
        {"op": "create", "newState": {"type": "a:b:C", "urn": f"{URN}a:b:C::mesh"}},
        {
            "op": "create",
            "newState": {
                "type": "kubernetes:core/v1:Secret",
                "urn": f"{URN}kubernetes:core/v1:Secret::mesh-cacerts",
                "provider": f"{URN}pulumi:providers:kubernetes::cluster1::04da6b54-80e4-46f7-96ec-b56ff0331ba9",
            },
        },
    ]
}
REFUSED = {"diagnostics": [{"severity": "error", "message": "no such chart\n"}, {"severity": "info", "message": "x"}]}
# Tells what it was started with, leaves a file as its Kubernetes provider does, then answers the preview.
PULUMI = """#!/bin/sh
touch "$TMPDIR/kubeconfig1"
{ echo "arguments: $*"; env; readlink "$PULUMI_HOME/plugins"; } >> RECORD
case "$1" in preview) cp stacks/Pulumi.prod.yaml RECORD.stack; ANSWER;; esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one stack, whose Pulumi is a script; throw-away folders are made below ``temporary``."""
    for name in ("stacks", "temporary", "programs", ".git", "components"):
        (tmp_path / name).mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: spanmesh\n")
    config = {"spanmesh:mesh": MESH, "other:token": {"secure": "v1:abc"}}
    stack = {"config": config, "encryptionsalt": "v1:salt"}
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump(stack))
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "mine")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    return tmp_path


def answer(project: Path, script: str) -> None:
    program = project / "programs/pulumi"
    program.write_text(PULUMI.replace("RECORD", str(project / "record")).replace("ANSWER", script))
    program.chmod(0o755)


def preview(project: Path) -> tuple[int, Any]:
    ran = RUN.invoke(app, ["clusterless-preview", "prod", "-C", str(project), "-o", "json"])
    return ran.exit_code, json.loads(ran.stdout)[0]


def printing(digest: object, code: int = 0) -> str:
    return f"cat <<'END'\n{json.dumps(digest)}\nEND\nexit {code}\n"


def test_resources_are_counted_for_each_cluster(project: Path) -> None:
    answer(project, printing(DIGEST))
    code, found = preview(project)
    assert code == 0
    assert {"clusters": found["clusters"], "resources": found["resources"]} == {
        "clusters": {"cluster1": 1},
        "resources": 2,
    }


def test_pulumi_is_given_neither_state_nor_secrets_of_the_user(project: Path) -> None:
    answer(project, printing(DIGEST))
    preview(project)
    record = (project / "record").read_text()
    assert "arguments: stack init prod" in record
    assert "mine" not in record
    assert f"PULUMI_BACKEND_URL=file://{project / 'temporary'}" in record
    assert f"PULUMI_HOME={project / 'temporary'}" in record
    assert str(project / "home/plugins") in record.splitlines()
    stack = (project / "record.stack").read_text()
    assert "salt" not in stack
    assert "v1:abc" not in stack
    assert "NO_SUCH" not in stack


def test_nothing_is_left_and_nothing_of_the_project_changes(project: Path) -> None:
    answer(project, printing(DIGEST))
    before = (project / "stacks/Pulumi.prod.yaml").read_text()
    preview(project)
    assert list((project / "temporary").iterdir()) == []
    assert (project / "stacks/Pulumi.prod.yaml").read_text() == before
    assert (project / "components").is_dir()


def test_a_failing_preview_fails_the_command_with_its_errors(project: Path) -> None:
    answer(project, printing(REFUSED, 255))
    code, found = preview(project)
    assert code == 1
    assert found["errors"] == ["no such chart"]
    assert found["ok"] is False


def test_a_mistake_in_the_stack_file_is_named_by_the_users_own_key(project: Path) -> None:
    answer(project, printing(DIGEST))
    document = yaml.safe_load((project / "stacks/Pulumi.prod.yaml").read_text())
    document["config"]["spanmesh:mesh"]["clusters"][0]["kubeconfig"] = {"env": "A", "path": "b"}
    (project / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump(document))
    code, found = preview(project)
    assert code == 1
    assert "spanmesh:mesh.clusters[0].kubeconfig: both `path` and `env` are given" in found["errors"][0]


def test_pulumi_that_is_not_there_is_named_with_the_cure(project: Path) -> None:
    code, found = preview(project)
    assert code == 1
    assert "no `pulumi` on PATH" in found["errors"][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_pulumi_and_removes_everything(project: Path, number: signal.Signals) -> None:
    started, ended = project / "started", project / "ended"
    answer(project, f"trap 'touch {ended}; exit 1' INT; touch {started}; while :; do sleep 0.05; done")
    command = [sys.executable, "-P", "-m", "cli", "clusterless-preview", "prod", "-C", str(project)]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        # A busy machine takes long to import the command.
        deadline = time.monotonic() + 120
        while not started.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert ended.exists()
    assert list((project / "temporary").iterdir()) == []
