"""`spanmesh verify` proves a healthy mesh, names a broken pair of clusters, and leaves nothing however it ends."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.project import ROOT
from live.probe import NAMESPACE
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.shared_mesh.mirrored import Mirrored

pytestmark = pytest.mark.lab

CLUSTERS = ("cluster1", "cluster2")
SECONDS = 240
SYSTEM = ("-n", "istio-system")
GATEWAY = "service/istio-eastwestgateway"
STRICT = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": "istio-system"},
    "spec": {"mtls": {"mode": "STRICT"}},
}
IDENTITY = f"spiffe://cluster.local/ns/{NAMESPACE}/sa/probe"


@dataclass(frozen=True)
class Verify:
    """The command on the shared mesh."""

    mirrored: Mirrored

    def _command(self, *arguments: str) -> list[str]:
        stack = self.mirrored.stack
        return ["verify", "--stack", stack.name, "--cwd", str(stack.project), *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it in a process of its own."""
        command = [str(ROOT / "spanmesh"), *self._command(*arguments)]
        environment = {**os.environ, **self.mirrored.stack.environment}
        # A process group of its own, so that a signal meets it alone, as Ctrl-C in its own terminal.
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> Result:
        """Run it to its end, in this process."""
        return CliRunner().invoke(app, self._command(*arguments), env=self.mirrored.stack.environment)

    def kubectl(self, cluster: str) -> Kubectl:
        """kubectl on one cluster."""
        return self.mirrored.kubectl(cluster)

    def probed(self) -> list[str]:
        """The clusters that have the probe's namespace."""
        return [
            c for c in CLUSTERS if self.kubectl(c)("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name")
        ]

    def stopped(self, number: signal.Signals) -> tuple[int, str]:
        """Start it, send a signal once its pods are being made, and wait for its end; its exit code and messages."""
        running = self.start("--only", "traffic")
        try:
            assert eventually(lambda: all(map(self._has_pods, CLUSTERS)), 60), self.probed()
        finally:
            os.killpg(running.pid, number)
        _, err = running.communicate(timeout=SECONDS)
        return running.returncode, err

    def _has_pods(self, cluster: str) -> bool:
        return bool(self.kubectl(cluster)("-n", NAMESPACE, "get", "pods", "-o", "name"))

    @contextmanager
    def holding(self, document: dict[str, Any], clusters: Sequence[str] = CLUSTERS) -> Iterator[None]:
        """An object more in these clusters."""
        try:
            for cluster in clusters:
                self.kubectl(cluster).apply(document)
            yield
        finally:
            for cluster in clusters:
                self.kubectl(cluster)("delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(document))


@pytest.fixture(scope="module")
def verify(mirrored: Mirrored) -> Verify:
    """The command on the shared mesh."""
    return Verify(mirrored)


@pytest.fixture(autouse=True)
def nothing_left(verify: Verify) -> Iterator[None]:
    """However a run ended, the next one leaves nothing."""
    yield
    assert not verify.probed()


def by_check(said: dict[str, Any], check: str) -> dict[str, dict[str, Any]]:
    """The results of one check, by where."""
    found = [each for each in said["results"] if each["check"] == check]
    return {f"{each['cluster']} -> {each['peer']}" if each["peer"] else each["cluster"]: each for each in found}


def test_a_healthy_mesh_is_ok_after_a_run_that_was_killed(verify: Verify) -> None:
    code, _ = verify.stopped(signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert verify.probed() == list(CLUSTERS)

    with verify.holding(STRICT):
        ended = verify.run("-o", "json")

    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert {each["state"] for each in said["results"]} <= {"ok", "warning"}, said["results"]
    pairs = {f"{client} -> {server}" for client in CLUSTERS for server in CLUSTERS}
    assert set(by_check(said, "traffic")) == pairs
    assert all(each["state"] == "ok" for each in by_check(said, "traffic").values())
    assert set(by_check(said, "plain-text")) == set(CLUSTERS)
    for client in CLUSTERS:
        row = said["matrix"][client]
        assert row["sent"] == 100 == sum(cell["answers"] for cell in row["servers"].values())
        for server, cell in row["servers"].items():
            assert (cell["client"], cell["server"]) == (IDENTITY, IDENTITY)
            kinds = {hop["kind"] for hop in cell["hops"]}
            assert kinds == ({"pod"} if client == server else {"gateway"})


def test_a_closed_gateway_is_named_by_the_pair_that_it_breaks(verify: Verify) -> None:
    kubectl = verify.kubectl("cluster2")
    before = kubectl.get(*SYSTEM, GATEWAY)["spec"]["loadBalancerSourceRanges"]

    def allow(ranges: list[str]) -> None:
        patch = json.dumps({"spec": {"loadBalancerSourceRanges": ranges}})
        kubectl(*SYSTEM, "patch", GATEWAY, "--type=merge", "-p", patch)

    try:
        allow(["203.0.113.0/24"])
        ended = verify.run("--only", "probe", "--only", "traffic", "--timeout", "15", "-o", "junit")
    finally:
        allow(before)

    assert ended.exit_code == 1, ended.output
    suite = Xml.fromstring(ended.stdout).find("testsuite[@name='traffic']")  # noqa: S314 - our own
    assert suite is not None
    failures = {case.get("name"): failure for case in suite if (failure := case.find("failure")) is not None}
    assert set(failures) == {"cluster1 -> cluster2"}
    assert failures["cluster1 -> cluster2"].get("type") == "SM692"
    assert "none of 100 requests was answered by cluster2" in str(failures["cluster1 -> cluster2"].get("message"))


def test_a_run_that_is_broken_off_removes_the_probe_first(verify: Verify) -> None:
    code, said = verify.stopped(signal.SIGINT)

    assert code == 130, said
    assert not verify.probed()


def test_a_namespace_that_it_did_not_make_is_left_alone(verify: Verify) -> None:
    foreign = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}

    with verify.holding(foreign, ["cluster1"]):
        ended = verify.run("--only", "probe", "--timeout", "5")
        kept = verify.probed()

    assert kept == ["cluster1"]
    assert ended.exit_code == 1, ended.output
    assert "was not made by `spanmesh verify`" in ended.stdout


def test_drills_are_undone(verify: Verify) -> None:
    secret = (*SYSTEM, "secret/istio-remote-clusters", "--show-managed-fields")
    before = verify.kubectl("cluster1").get(*secret)

    ended = verify.run(
        "--disruptive", "--only", "failover", "--only", "gateway-kill", "--only", "token-rotation", "-o", "json"
    )

    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert [(drill["name"], drill["undone"]) for drill in said["drills"]] == [
        ("failover", True),
        ("gateway-kill", True),
        ("token-rotation", True),
    ]
    failover = said["drills"][0]
    marks = {mark["what"]: mark["seconds"] for mark in failover["marks"]}
    during = [r["answered"] for r in failover["requests"] if r["seconds"] > marks["first remote answer"]]
    assert "cluster2" in during
    assert during[-1] == "cluster1"
    after = verify.kubectl("cluster1").get(*secret)
    assert after["data"] == before["data"]
    owners = [{**field, "time": ""} for field in after["metadata"]["managedFields"]]
    assert owners == [{**field, "time": ""} for field in before["metadata"]["managedFields"]]
