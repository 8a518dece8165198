"""`spanmesh drift` on clusters of the loopback."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from tests.unit.live.drift.servers import STACK, as_applied, cluster
from tests.unit.live.policy.api_server import FakeApiServer
from tests.unit.live.policy.objects import route, rule

CLUSTERS = ("cluster1", "cluster2")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, FakeApiServer]]:
    """Two clusters, in step with a stack of one DestinationRule and one VirtualService in ``tmp_path``."""
    found = {name: cluster(own=[as_applied(rule("v1")), as_applied(route("v1"))]) for name in CLUSTERS}
    (tmp_path / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump_all([rule("v1"), route("v1")]))
    with ExitStack() as running:
        for name, server in found.items():
            access = running.enter_context(server.access(name))
            (tmp_path / name).write_text(access.text)
        write(tmp_path, ["shop.yaml"])
        yield found


def write(project: Path, policies: list[str], **mesh: Any) -> None:
    """The stack file."""
    clusters = [
        {
            "name": name,
            "network": f"network{number}",
            "kubeconfig": {"path": name},
            "apiServer": f"https://198.51.100.1{number}:6443",
            **({"group": "one"} if mesh else {}),
        }
        for number, name in enumerate(CLUSTERS, start=1)
    ]
    config = {"spanmesh:mesh": {"id": "mesh1", "clusters": clusters, "policies": policies, **mesh}}
    (project / "stacks" / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))


def run(project: Path, *arguments: str) -> Result:
    """The command."""
    return CliRunner().invoke(app, ["drift", "--stack", STACK, "--cwd", str(project), *arguments])


def test_in_step_is_exit_code_0(tmp_path: Path, servers: dict[str, FakeApiServer]) -> None:
    ended = run(tmp_path)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.count("in step") == 2
    assert "==> cluster1: 5 objects compared, 0 not in step" in ended.stderr


def test_drift_is_exit_code_1_with_the_field_who_set_it_and_a_diff(
    tmp_path: Path, servers: dict[str, FakeApiServer]
) -> None:
    live = servers["cluster2"].answers["/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews"]
    live["spec"]["http"][0]["timeout"] = "3s"
    live["metadata"]["managedFields"][0]["manager"] = "kubectl-edit"
    ended = run(tmp_path, "-o", "json")
    assert ended.exit_code == 1
    found = json.loads(ended.stdout)
    assert (found["stack"], found["state"]) == (STACK, "drift")
    assert [(each["cluster"], each["state"], each["compared"]) for each in found["clusters"]] == [
        ("cluster1", "in step", 5),
        ("cluster2", "drift", 5),
    ]
    [changed] = found["clusters"][1]["objects"]
    assert (changed["state"], changed["kind"], changed["name"]) == ("different", "VirtualService", "reviews")
    assert changed["source"].startswith("shop.yaml:")
    fields = [{"path": "spec.http[0].timeout", "change": "added", "by": "kubectl-edit", "time": None}]
    assert changed["fields"] == fields
    assert "+    timeout: 3s" in changed["diff"]
    table = run(tmp_path)
    assert "spec.http[0].timeout: added by kubectl-edit" in table.stdout
    assert "+    timeout: 3s" in table.stdout


def test_only_the_named_clusters_are_asked(tmp_path: Path, servers: dict[str, FakeApiServer]) -> None:
    assert run(tmp_path, "--cluster", "cluster1").exit_code == 0
    assert servers["cluster1"].asked
    assert not servers["cluster2"].asked


def test_a_cluster_that_does_not_answer_is_exit_code_2_and_drift_elsewhere_1(
    tmp_path: Path, servers: dict[str, FakeApiServer]
) -> None:
    access = yaml.safe_load((tmp_path / "cluster1").read_text())
    access["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    (tmp_path / "cluster1").write_text(yaml.safe_dump(access))
    ended = run(tmp_path, "-o", "json")
    assert ended.exit_code == 2
    found = json.loads(ended.stdout)
    assert found["state"] == "unknown"
    assert "does not answer" in found["clusters"][0]["reason"]
    del servers["cluster2"].answers["/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews"]
    assert run(tmp_path).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "policies", "message"),
    [
        (["--cluster", "cluster3"], ["shop.yaml"], "cluster3 is no cluster of this stack"),
        ([], ["nowhere.yaml"], "nowhere.yaml"),
        ([], ["broken.yaml"], "SM100"),
        (["--output", "xml"], ["shop.yaml"], "xml"),
    ],
)
def test_what_cannot_be_told_for_a_wrong_word_is_exit_code_2(
    tmp_path: Path, servers: dict[str, FakeApiServer], arguments: list[str], policies: list[str], message: str
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    write(tmp_path, policies)
    ended = run(tmp_path, *arguments)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert not servers["cluster1"].asked


def test_helms_releases_of_a_divided_mesh_are_its_groups(tmp_path: Path, servers: dict[str, FakeApiServer]) -> None:
    write(tmp_path, ["shop.yaml"], groups={"one": {"stack": "prod-one"}})
    found = json.loads(run(tmp_path, "-o", "json").stdout)
    assert [each["compared"] for each in found["clusters"]] == [2, 2]
    path = tmp_path / "stacks" / f"Pulumi.{STACK}.yaml"
    config = yaml.safe_load(path.read_text())["config"]
    path.write_text(yaml.safe_dump({"config": {**config, "spanmesh:group": "one"}}))
    found = json.loads(run(tmp_path, "-o", "json").stdout)
    assert [each["compared"] for each in found["clusters"]] == [3, 3]
