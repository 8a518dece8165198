"""`spanmesh topology` as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from cli.topology import topology
from topology import MeshConfigError

RUN = CliRunner()
APP = typer.Typer()
APP.command()(topology)
MESH: dict[str, Any] = {
    "clusters": [
        {
            "name": name,
            "network": network,
            "apiServer": {"url": f"https://{name}.example:6443", "readers": {"hub": f"https://{name}.internal:6443"}},
            "kubeconfig": kubeconfig,
        }
        for name, network, kubeconfig in (
            ("hub", "network1", {"path": "nowhere.yaml", "context": "admin"}),
            ("flat", "network1", {"env": "NOT_SET"}),
            ("far", "network2", {"secret": {"secure": "AAABADQ="}}),
        )
    ],
    "links": {"hubs": ["hub"]},
}
MESH["clusters"][0]["apiServer"].pop("readers")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "stacks").mkdir()
    path = tmp_path / "stacks" / "Pulumi.prod.yaml"
    path.write_text(yaml.safe_dump({"config": {"spanmesh:mesh": MESH, "pulumi:tags": {}}}))
    return tmp_path


def shown(project: Path, *arguments: str) -> str:
    ran = RUN.invoke(APP, ["-C", str(project), *arguments], catch_exceptions=False)
    assert ran.exit_code == 0
    return ran.stdout


def test_json_has_every_ordered_pair_with_its_way(project: Path) -> None:
    facts = json.loads(shown(project, "-s", "prod", "-o", "json"))
    assert {
        (p["reader"], p["peer"]): (p["reads"], p["route"], p["gatewayOf"], p["apiServer"]) for p in facts["pairs"]
    } == {
        ("hub", "flat"): (True, "direct", None, "https://flat.internal:6443"),
        ("hub", "far"): (True, "gateway", "far", "https://far.internal:6443"),
        ("flat", "hub"): (True, "direct", None, "https://hub.example:6443"),
        ("flat", "far"): (False, None, None, None),
        ("far", "hub"): (True, "gateway", "hub", "https://hub.example:6443"),
        ("far", "flat"): (False, None, None, None),
    }
    assert {c["name"]: c["eastWest"]["neededBy"] for c in facts["clusters"]} == {
        "hub": ["far"],
        "flat": [],
        "far": ["hub"],
    }
    assert facts["networks"] == [
        {"name": "network1", "clusters": ["hub", "flat"]},
        {"name": "network2", "clusters": ["far"]},
    ]


def test_no_kubeconfig_is_read_and_no_secret_decrypted_or_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    text = shown(project, "-s", "prod", "-o", "json")
    assert [c["kubeconfig"] for c in json.loads(text)["clusters"]] == [
        {"source": "path", "name": "nowhere.yaml", "context": "admin"},
        {"source": "env", "name": "NOT_SET", "context": None},
        {"source": "secret", "name": None, "context": None},
    ]
    assert "AAABADQ" not in text


def test_table_says_who_reads_whom_and_by_which_way(project: Path) -> None:
    text = shown(project, "-s", "prod")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert ["hub", "flat", "far", "-", "far"] in rows
    assert ["flat", "hub", "-", "far", "-"] in rows
    assert ["far", "-", "hub", "flat", "hub"] in rows
    assert "of 6 ordered pairs, 2 reach pods directly, 2 go through an east-west gateway, 2 are not linked" in text


def test_mesh_file_and_stack_file_say_the_same(project: Path) -> None:
    plain = json.loads(json.dumps(MESH))
    plain["clusters"][2]["kubeconfig"] = {"env": "FAR"}
    mesh_file, stack_file = project / "a.mesh.yaml", project / "Pulumi.other.yaml"
    mesh_file.write_text(yaml.safe_dump(plain))
    stack_file.write_text(yaml.safe_dump({"config": {"spanmesh:meshFile": "a.mesh.yaml"}}))
    assert shown(project, "-f", str(mesh_file), "-o", "json") == shown(project, "-f", str(stack_file), "-o", "json")


@pytest.mark.parametrize(("form", "start"), [("svg", "<svg "), ("mermaid", "flowchart ")])
def test_diagrams_are_printed_as_they_are(project: Path, form: str, start: str) -> None:
    assert shown(project, "-s", "prod", "-o", form).startswith(start)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-s", "prod", "-f", "x"], "both --stack and --file"),
        (["-s", "prd"], "Stacks here: prod"),
        (["-f", "/nowhere/mesh.yaml"], "cannot read /nowhere/mesh.yaml: No such file"),
        (["-f", "BROKEN"], "line 2 is not YAML"),
        (["-f", "PLAIN"], "the secret stands there in plain text"),
        (["-f", "EMPTY"], "spanmesh:mesh"),
    ],
)
def test_mistake_is_named(project: Path, arguments: list[str], says: str) -> None:
    files = {"BROKEN": "a: 1\nb: [", "PLAIN": "clusters: [{kubeconfig: {secret: abc}}]", "EMPTY": ""}
    for name, text in files.items():
        (project / name).write_text(text)
    arguments = [str(project / a) if a in files else a for a in arguments]
    with pytest.raises(MeshConfigError, match=says):
        RUN.invoke(APP, ["-C", str(project), *arguments], catch_exceptions=False)
