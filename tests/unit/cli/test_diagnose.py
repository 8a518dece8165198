"""`spanmesh diagnose` on clusters of the loopback that say their version and time, and forbid everything else."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from cli.diagnose import Diagnosis
from health.check import Cause, Check, found, ok, skipped
from health.check import Result as Said
from tests.unit.health.facts import NOW
from tests.unit.live.policy.api_server import Asked, FakeApiServer

STACK, CLUSTERS = "prod", ("cluster1", "cluster2")
ERROR = Cause("SM611", "down", "error", "", "", "", "")
WARNING = Cause("SM616", "odd", "warning", "", "", "", "")
CHECK = Check("first", "", (ERROR, WARNING))


@dataclass
class RightlessApiServer(FakeApiServer):
    """An API server that says its version and forbids everything else.

    Attributes:
        ahead: seconds by which its clock is ahead.
    """

    ahead: float = 0

    def answer(self, asked: Asked) -> tuple[int, Any]:
        self.asked.append(asked)
        if asked.path == "/version/":
            return 200, {"gitVersion": "v1.36.3"} | dict.fromkeys(
                ("major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"), ""
            )
        return 403, {"kind": "Status", "message": f"User may not {asked.method} {asked.path}"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server, plain = self, super()._handler()

        class Handler(plain):  # type: ignore[valid-type, misc]
            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate((timestamp or time.time()) + server.ahead, usegmt=True)

        return Handler


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, RightlessApiServer]]:
    """Two clusters of a stack in ``tmp_path``."""
    found_servers = {name: RightlessApiServer() for name in CLUSTERS}
    (tmp_path / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "broken.yaml").write_text("a: [")
    with ExitStack() as running:
        for name, server in found_servers.items():
            (tmp_path / name).write_text(running.enter_context(server.access(name)).text)
        write(tmp_path)
        yield found_servers


def write(project: Path, **mesh: Any) -> None:
    """The stack file."""
    clusters = [
        {
            "name": name,
            "network": f"network{number}",
            "kubeconfig": {"path": name},
            "apiServer": f"https://198.51.100.1{number}:6443",
        }
        for number, name in enumerate(CLUSTERS, start=1)
    ]
    config = {"spanmesh:mesh": {"id": "mesh1", "clusters": clusters, **mesh}}
    (project / "stacks" / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))


def run(project: Path, *arguments: str, stack: str = STACK) -> Result:
    """The command."""
    return CliRunner().invoke(app, ["diagnose", "--stack", stack, "--cwd", str(project), *arguments])


def dead(project: Path, name: str) -> None:
    """Let a cluster's kubeconfig lead to where nobody listens."""
    access = yaml.safe_load((project / name).read_text())
    access["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    (project / name).write_text(yaml.safe_dump(access))


@pytest.mark.parametrize(
    ("ahead", "code", "exit_code"), [(3600.0, "SM657", 1), (-3600.0, "SM657", 1), (30.0, "SM658", 2)]
)
def test_a_cluster_whose_clock_is_wrong_is_named(
    tmp_path: Path, servers: dict[str, RightlessApiServer], ahead: float, code: str, exit_code: int
) -> None:
    servers["cluster2"].ahead = ahead
    ended = run(tmp_path, "-o", "json")
    assert ended.exit_code == exit_code, ended.stderr
    (finding,) = json.loads(ended.stdout)["findings"]
    assert (finding["code"], finding["cluster"], finding["check"]) == (code, "cluster2", "clocks")
    assert finding["documentation"] == f"docs/troubleshooting.md#{code.lower()}"


def test_what_the_rights_do_not_allow_is_said_and_not_called_healthy(
    tmp_path: Path, servers: dict[str, RightlessApiServer]
) -> None:
    ended = run(tmp_path, "-o", "json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["state"], told["findings"]) == (2, "unknown", [])
    untold = {(each["check"], each["cluster"]): each["reason"] for each in told["unknown"]}
    assert "docs/verification-rights.yaml" in untold["trust-chains", "cluster1"]
    assert "forbids reading the pods of istiod" in untold["istiods", "cluster2"]
    assert "Not told (skipped is not ok):" in run(tmp_path).stdout


def test_a_dead_cluster_comes_first_with_evidence_cure_and_anchor_and_hides_what_follows(
    tmp_path: Path, servers: dict[str, RightlessApiServer]
) -> None:
    dead(tmp_path, "cluster2")
    ended = run(tmp_path)
    assert ended.exit_code == 1
    assert ended.stdout.startswith("SM611 cluster2: API server does not answer (failed)\n")
    for line in (
        "seen",
        "127.0.0.1:1",
        "cure",
        "docs/troubleshooting.md#sm611",
        "are left out, as they follow from this: ",
    ):
        assert line in ended.stdout
    assert "==> cluster2: does not answer" in ended.stderr
    (finding,) = json.loads(run(tmp_path, "-o", "json").stdout)["findings"]
    assert ("istiods", "cluster2") in {(each["check"], each["cluster"]) for each in finding["consequences"]}


def test_only_the_named_clusters_are_asked(tmp_path: Path, servers: dict[str, RightlessApiServer]) -> None:
    run(tmp_path, "--cluster", "cluster1")
    assert servers["cluster1"].asked
    assert not servers["cluster2"].asked


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([ok(CHECK)], 0),
        ([ok(CHECK), found(CHECK, WARNING, "")], 0),
        ([ok(CHECK), skipped(CHECK, "no right")], 2),
        ([skipped(CHECK, "no right"), found(CHECK, ERROR, "")], 1),
        ([], 0),
    ],
    ids=["ok", "warning", "skipped", "failed", "nothing to check"],
)
def test_the_exit_code_says_whether_something_failed_or_cannot_be_told(results: Sequence[Said], code: int) -> None:
    assert Diagnosis.of(STACK, NOW, results).exit_code == code


def test_failures_come_before_warnings_each_in_the_order_of_the_checks() -> None:
    one, two, three = found(CHECK, WARNING, "1"), found(CHECK, ERROR, "2"), found(CHECK, ERROR, "3")
    assert [each.message for each in Diagnosis.of(STACK, NOW, [one, two, three]).findings] == ["2", "3", "1"]


@pytest.mark.parametrize(
    ("arguments", "policies", "message"),
    [
        (["--cluster", "cluster3"], [], "cluster3 is no cluster of this stack. Did you mean cluster"),
        (["--cluster", "cluster1", "--cluster", ""], [], "--cluster"),
        (["--output", "xml"], [], "xml"),
        (["--probes"], [], "--probes"),
        (["surplus"], [], "surplus"),
        (["--stack", "nowhere"], [], "nowhere"),
        (["--cwd", "/nonexistent"], [], "/nonexistent"),
        ([], ["nowhere.yaml"], "nowhere.yaml"),
        ([], ["broken.yaml"], "SM100"),
    ],
)
def test_a_wrong_word_is_exit_code_2_with_its_cause_and_nobody_is_asked(
    tmp_path: Path, servers: dict[str, RightlessApiServer], arguments: list[str], policies: list[str], message: str
) -> None:
    write(tmp_path, policies=policies)
    ended = run(tmp_path, *arguments)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not servers["cluster1"].asked
