"""`spanmesh status` on stand-ins of the loopback."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from bench.stand_in_cluster import VERSION, Authority, kubeconfig, silent, stand_ins
from cli import status
from cli.app import app
from cli.console import out
from cli.project import ROOT, load_stack
from cli.status import Status, awaited
from health.check import State
from health.standing import ClusterStanding, Part
from live.observed import observation
from policy.files import read_items

NAMES = ("cluster1", "cluster2")
STACK = "test"
PARTS = ("api", "istiod", "gateway", "remotes", "certificates", "versions", "policy")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack of two clusters that are as declared, and a kubeconfig of one more that says nothing."""
    folder, authority = tmp_path_factory.mktemp("project"), Authority()
    (folder / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (folder / "stacks").mkdir()
    with stand_ins(NAMES, NAMES, authority) as ports, silent(1) as mute:
        (folder / "kubeconfig").write_text(kubeconfig({**ports, "cluster3": mute[0]}, authority))
        yield folder


def write(project: Path, names: tuple[str, ...] = NAMES, **mesh: Any) -> None:
    """The stack file."""
    clusters = [
        {
            "name": name,
            "network": f"network-{name}",
            "apiServer": f"https://{name}.example.com:6443",
            "kubeconfig": {"path": "kubeconfig", "context": name},
        }
        for name in names
    ]
    config = {"spanmesh:mesh": {"istio": {"version": VERSION}, "clusters": clusters, **mesh}}
    (project / "stacks" / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))


def run(project: Path, *arguments: str) -> Result:
    """The command."""
    return CliRunner().invoke(app, ["status", "--stack", STACK, "--cwd", str(project), *arguments])


def test_a_mesh_as_declared_is_exit_code_0_with_a_row_for_each_cluster(project: Path) -> None:
    write(project)
    ended = run(project)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.count("1/1 configured, 1/1 connected") == 2
    assert "198.51.100.1, 2/2 ready" in ended.stdout
    assert "==> cluster1: Kubernetes v1.36.0, looked at in" in ended.stderr
    assert "Missing" not in ended.stdout


def test_json_has_every_part_with_its_facts(project: Path) -> None:
    write(project)
    ended = run(project, "-o", "json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert (found["stack"], found["state"]) == (STACK, "as declared")
    [first, second] = found["clusters"]
    assert [first["cluster"], second["cluster"]] == list(NAMES)
    assert {name: first[name]["state"] for name in PARTS} == dict.fromkeys(PARTS, "ok")
    assert first["api"]["version"] == "v1.36.0"
    assert 0 < first["api"]["answerSeconds"] < 10
    assert first["istiod"]["pods"] == [
        {"name": "istiod-0", "ready": True, "version": VERSION, "revision": "default", "proxies": 40, "reason": None}
    ]
    assert first["gateway"]["neededBy"] == ["cluster2"]
    assert first["remotes"]["peers"] == [
        {"cluster": "cluster2", "configured": True, "connected": True, "istiods": {"istiod-0": "synced"}}
    ]
    assert [each["what"] for each in first["certificates"]["lifetimes"]] == ["root", "istiod"]
    assert found["rotation"] == first["certificates"]["rotation"] == "old"
    assert [each["what"] for each in found["expiries"]] == ["istiod", "istiod", "root (CN=CA)"]
    assert first["versions"]["gateway"] == [VERSION]
    assert (first["policy"]["compared"], first["policy"]["notInStep"]) == (0, [])


def test_what_is_missing_is_exit_code_1_and_named_with_its_cluster(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation, "VERSION_SECONDS", (0.5, 0.5))
    write(project, (*NAMES, "cluster3"))
    ended = run(project)
    assert ended.exit_code == 1, ended.output
    assert "cluster1: its remote Secret has no key cluster3: `pulumi up`" in ended.stdout
    assert "cluster3: its API server https://localhost" in ended.stdout
    assert "1/2 configured, 1/2 connected" in ended.stdout


def test_one_cluster_can_be_asked_alone_and_a_wrong_name_is_exit_code_2(project: Path) -> None:
    write(project)
    ended = run(project, "--cluster", "cluster2", "-o", "json")
    assert [each["cluster"] for each in json.loads(ended.stdout)["clusters"]] == ["cluster2"]
    wrong = run(project, "--cluster", "cluster22")
    assert wrong.exit_code == 2
    assert "Did you mean cluster2?" in wrong.stderr


def test_policy_that_is_not_there_is_not_in_step(project: Path) -> None:
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": "shop"},
        "spec": {"host": "reviews.shop.svc.cluster.local"},
    }
    (project / "shop.yaml").write_text(yaml.safe_dump(rule))
    write(project, policies=["shop.yaml"])
    assert read_items(["shop.yaml"], project).documents
    ended = run(project)
    assert ended.exit_code == 1, ended.output
    assert "1 of 1 not in step" in ended.stdout
    assert "cluster1: DestinationRule shop/reviews is missing: `spanmesh drift` shows it" in ended.stdout


def test_policy_that_cannot_be_read_leaves_the_rest_told(project: Path) -> None:
    write(project, policies=["not-there.yaml"])
    ended = run(project)
    assert ended.exit_code == 2, ended.output
    assert "not-there.yaml" in ended.stdout
    assert ended.stdout.count("1/1 connected") == 2


def test_a_narrow_screen_gets_a_row_for_each_part(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project)
    monkeypatch.setattr(out, "width", 80)
    ended = run(project)
    assert "│ cluster1 │ API" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


def standing(reason: str = "") -> Status:
    """A status that misses one thing, or nothing."""
    part = Part("gateway", State.FAILED, "no address", (reason,)) if reason else Part("gateway", State.OK, "there")
    return Status(STACK, datetime.now(UTC), [ClusterStanding("cluster1", 0.1, (part,))])


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    """What is seen by one look after the other; the last stays."""
    coming: list[Status] = []

    def look(*_: Any) -> Status:
        return coming.pop(0) if len(coming) > 1 else coming[0]

    monkeypatch.setattr(status, "look", look)
    monkeypatch.setattr(status, "PAUSE_SECONDS", 0.05)
    return coming


def test_waiting_says_what_is_missing_when_that_changes_and_ends_when_nothing_is(
    project: Path, looks: list[Status], capsys: pytest.CaptureFixture[str]
) -> None:
    write(project)
    looks += [standing("no address"), standing("no address"), standing("no pods"), standing()]
    assert awaited(load_stack(STACK, project), {}, 100).missing == ()
    told = [line for line in capsys.readouterr().err.splitlines() if "still missing" in line]
    assert [line.partition(" s left, ")[2] for line in told] == [
        "still missing: cluster1: no address",
        "still missing: cluster1: no pods",
    ]


def test_waiting_ends_at_its_limit_with_what_is_still_missing(project: Path, looks: list[Status]) -> None:
    write(project)
    looks.append(standing("no address"))
    started = time.monotonic()
    ended = run(project, "--wait", "--timeout", "1")
    assert time.monotonic() - started >= 1
    assert ended.exit_code == 1
    assert "after 1 s still missing: cluster1: no address" in ended.stderr


def test_waiting_does_not_wait_for_what_only_cannot_be_told(project: Path, looks: list[Status]) -> None:
    write(project)
    seen = standing()
    untold = replace(seen.clusters[0], parts=(Part("gateway", State.SKIPPED, "unknown", ("no right",)),))
    looks.append(replace(seen, clusters=[untold]))
    assert awaited(load_stack(STACK, project), {}, 100).missing == ()


def test_ctrl_c_ends_at_once_although_a_cluster_is_silent(project: Path) -> None:
    write(project, ("mute",))
    command = [sys.executable, "-P", "-m", "cli", "status", "--stack", STACK, "--cwd", str(project)]
    with socket.create_server(("127.0.0.1", 0)) as mute:
        path = project / "mute"
        path.write_text(kubeconfig({"mute": mute.getsockname()[1]}, Authority()))
        file = project / "stacks" / f"Pulumi.{STACK}.yaml"
        file.write_text(file.read_text().replace("path: kubeconfig", f"path: {path}"))
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
            connection, _ = mute.accept()
            with connection:
                running.send_signal(signal.SIGINT)
                output, progress = running.communicate(timeout=60)
    assert (running.returncode, output, progress) == (130, "", "interrupted\n"), "the silent one was not waited for"
