"""What `spanmesh repair` clears: unfinished records, those that the state does not know, releases without a record."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import repair
from cli.app import app
from live.helm_records import HelmRecord
from live.state.deployment import RELEASE
from topology import load_mesh

URN = "urn:pulumi:test::spanmesh::Mesh$kubernetes:helm.sh/v3:Release::mesh-cluster1-control-plane-{}"


class Stack:
    """A stack that knows both releases of cluster1, and notes what is run on it."""

    ran: list[tuple[str, ...]]

    def __init__(self, project: Path, name: str, environment: dict[str, str]) -> None:
        self.name = name
        Stack.ran = []

    def read(self, *arguments: str) -> Any:
        releases = [
            {
                "type": RELEASE,
                "urn": URN.format(chart),
                "provider": "urn:pulumi:test::spanmesh::pulumi:providers:kubernetes::cluster1::id",
                "outputs": {"name": release},
            }
            for chart, release in (("base", "istio-base"), ("istiod", "istiod"))
        ]
        return {"deployment": {"resources": releases}}

    def run(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        Stack.ran.append(arguments)
        return subprocess.CompletedProcess([], 0, "")


BASE = HelmRecord("base.v1", "istio-base", pending=False)
ISTIOD = HelmRecord("istiod.v1", "istiod", pending=False)


@pytest.mark.parametrize(
    ("records", "deleted", "refreshed"),
    [
        ([BASE, HelmRecord("istiod.v1", "istiod", pending=False)], [], []),
        ([BASE, HelmRecord("istiod.v1", "istiod", False), HelmRecord("istiod.v2", "istiod", True)], ["istiod.v2"], []),
        ([BASE, HelmRecord("istiod.v1", "istiod", pending=True)], ["istiod.v1"], ["istiod"]),
        (
            [BASE, HelmRecord("istiod.v1", "istiod", False), HelmRecord("istiod.v2", "istiod", True, leaving=True)],
            ["istiod.v1", "istiod.v2"],
            ["istiod"],
        ),
        ([BASE], [], ["istiod"]),
        ([BASE, ISTIOD, HelmRecord("istiod-other.v1", "istiod-other", pending=True)], [], []),
    ],
    ids=["whole", "upgrade broke off", "install broke off", "removal broke off", "record gone", "somebody else's"],
)
def test_what_broke_off_is_cleared_and_what_is_not_installed_leaves_the_state(
    monkeypatch: pytest.MonkeyPatch, records: list[HelmRecord], deleted: list[str], refreshed: list[str]
) -> None:
    gone: list[str] = []
    cluster = {"name": "cluster1", "network": "network1", "apiServer": "https://203.0.113.11:6443"}
    mesh = load_mesh({"clusters": [cluster]})
    declared = SimpleNamespace(name="test", accesses={"cluster1": "its kubeconfig"}, mesh=mesh)
    monkeypatch.setattr(repair, "load_stack", lambda stack, cwd: declared)
    monkeypatch.setattr(repair, "PulumiStack", Stack)
    monkeypatch.setattr(repair, "helm_records", lambda access: records)
    monkeypatch.setattr(repair, "delete_records", lambda access, wrong: gone.extend(map(str, wrong)))
    ended = CliRunner().invoke(app, ["repair", "--stack", "test"])
    assert ended.exit_code == 0, ended.output
    assert gone == deleted
    targets = [argument for release in refreshed for argument in ("--target", URN.format(release))]
    assert Stack.ran == ([("refresh", "--yes", "--skip-preview", *targets)] if targets else [])
