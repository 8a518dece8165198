"""`spanmesh rotate`: what it writes, what it refuses, and by which exit code."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from cli.rotation.root import RootRotation
from cli.stack_edit import StackEdit

STACK = "test"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A stack of two clusters none of which answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = {"server": f"https://127.0.0.1:{port}"}
    names = ("cluster1", "cluster2")
    kubeconfig = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "clusters": [{"name": name, "cluster": server} for name in names],
        "users": [{"name": name, "user": {}} for name in names],
    }
    (tmp_path / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    (tmp_path / "stacks").mkdir()
    clusters = [
        {
            "name": name,
            "network": name,
            "apiServer": f"https://{name}.example.com:6443",
            "kubeconfig": {"path": "kubeconfig", "context": name},
        }
        for name in names
    ]
    write(tmp_path, {"istio": {"version": "1.30.5"}, "clusters": clusters})
    return tmp_path


def write(project: Path, mesh: dict[str, Any], **config: str) -> None:
    """The stack file."""
    declared = {f"spanmesh:{name}": value for name, value in {"mesh": mesh, **config}.items()}
    (project / f"stacks/Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": declared}))


def text(project: Path) -> str:
    """The stack file as it is."""
    return (project / f"stacks/Pulumi.{STACK}.yaml").read_text()


def run(project: Path, *arguments: str, answer: str = "") -> Result:
    """The command on the stack."""
    return CliRunner().invoke(
        app, ["rotate", *arguments, "--stack", STACK, "--cwd", str(project), "-o", "json"], input=answer
    )


def stage(project: Path) -> Any:
    """The declared stage."""
    return StackEdit.open(project, STACK).get("trust.rotation.stage")


def test_edit_only_writes_one_stage_after_the_other_and_asks_no_cluster(project: Path) -> None:
    before = text(project)
    for expected in ("both-trusted", "new-signs", "new-only", None):
        ended = run(project, "root", "--edit-only")
        assert ended.exit_code == 0, ended.output
        assert stage(project) == expected
        said = json.loads(ended.stdout)
        assert said["edited"].endswith("Pulumi.test.yaml")
        assert said["stage"] == (expected or "finished")
    assert StackEdit.open(project, STACK).get("trust.generation") == 2
    write(project, yaml.safe_load(before)["config"]["spanmesh:mesh"])
    run(project, "root", "--edit-only")
    assert run(project, "root", "--edit-only", "--rollback").exit_code == 0
    assert yaml.safe_load(text(project)) == yaml.safe_load(before)


def test_a_cluster_that_does_not_answer_is_exit_code_1_before_anything_is_touched(project: Path) -> None:
    before = text(project)
    ended = run(project, "root", "--yes")
    assert ended.exit_code == 1
    said = json.loads(ended.stdout)
    assert [each.partition(":")[0] for each in said["lacking"]] == ["cluster1", "cluster2"]
    assert not said["finished"]
    assert "Nothing was touched" in ended.stderr
    assert "run the same again" in ended.stderr
    assert run(project, "intermediate", "--yes").exit_code == 1
    assert text(project) == before


def test_the_plan_is_shown_and_no_is_an_answer(project: Path) -> None:
    ended = run(project, "root", answer="n\n")
    assert ended.exit_code == 1
    assert [name for name in ("both-trusted", "new-signs", "new-only", "finished") if name in ended.stderr]
    assert "Go on?" in ended.stderr
    assert stage(project) is None


def test_without_a_rotation_there_is_nothing_to_roll_back(project: Path) -> None:
    ended = run(project, "root", "--rollback", "--edit-only")
    assert ended.exit_code == 1
    assert "key of the former root is deleted" in ended.stderr


def test_a_provided_root_is_written_as_it_is_named_and_stops_for_what_it_needs_next(project: Path) -> None:
    assert run(project, "root", "--edit-only", "--to", "provided").exit_code == 2
    assert stage(project) is None
    assert run(project, "root", "--edit-only", "--to", "provided", "--root-certificate", "pki/new.pem").exit_code == 0
    before = text(project)
    ended = run(project, "root", "--edit-only")
    assert ended.exit_code == 1
    [first, second] = json.loads(ended.stdout)["lacking"]
    assert first.startswith("spanmesh:mesh.clusters[0].trust.next.certificate: missing")
    assert "cluster2" in second
    assert text(project) == before


def test_intermediates_of_named_clusters_are_written_and_a_wrong_name_is_exit_code_2(project: Path) -> None:
    ended = run(project, "intermediate", "--edit-only", "--cluster", "cluster2")
    assert ended.exit_code == 0, ended.output
    edit = StackEdit.open(project, STACK)
    assert edit.get("clusters[0].trust") is None
    assert edit.get("clusters[1].trust.rotate")
    wrong = run(project, "intermediate", "--edit-only", "--cluster", "cluster9")
    assert wrong.exit_code == 2
    assert "Clusters here: cluster1, cluster2" in wrong.stderr


def test_a_stack_that_holds_no_trust_is_refused(project: Path) -> None:
    mesh = yaml.safe_load(text(project))["config"]["spanmesh:mesh"]
    mesh["groups"] = {"cn": {"stack": "cn"}}
    for cluster in mesh["clusters"]:
        cluster["group"] = "cn"
    write(project, mesh, group="cn")
    ended = run(project, "root", "--yes")
    assert ended.exit_code == 2
    assert "Name the stack with trust and links" in ended.stderr


def test_ctrl_c_is_exit_code_130_and_says_that_it_can_go_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: RootRotation) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RootRotation, "forward", interrupted)
    ended = run(project, "root", "--yes")
    assert ended.exit_code == 130
    assert "run the same again" in ended.stderr
