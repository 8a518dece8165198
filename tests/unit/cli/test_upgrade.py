"""`spanmesh upgrade` on clusters that only say what they have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli import upgrade
from cli.app import app
from cli.pulumi import PulumiError, PulumiStack
from live.kubeconfig import ClusterAccess
from live.upgrade.restarts import RolloutError
from topology import Mesh
from topology.upgrade import Installed, Outdated, Surveyed

FILE = """\
config:
  # the mesh
  spanmesh:mesh:
    istio: {version: 1.29.2} # with a comment
    clusters:
CLUSTERS"""
CLUSTER = """\
      - name: NAME
        network: network-NAME
        apiServer: https://NAME.example.com:6443
        kubeconfig: {path: kubeconfig, context: NAME}
"""
NAMES = ("cluster1", "cluster2")
CART = Outdated("shop", "Deployment", "cart", 2, ("1.29.2",))
ALONE = Outdated("shop", "Pod", "alone", 1, ("1.29.2",), "nothing would make the pod anew")


class Clusters:
    """Clusters that an update brings to what the stack file declares, one after the other, until one fails."""

    def __init__(self, path: Path, version: str) -> None:
        self.path, self.versions = path, dict.fromkeys(NAMES, version)
        self.failing = ""
        self.workloads: tuple[Outdated, ...] = ()
        self.restarted: list[tuple[str, tuple[Outdated, ...]]] = []
        self.updates = 0

    def survey(self, mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> dict[str, Surveyed]:
        return {
            name: Surveyed(
                Installed(self.versions[name], {"istio-eastwestgateway": self.versions[name]}),
                {"istiod": 1, "istio-eastwestgateway": 2},
                0,
                self.workloads,
            )
            for name in accesses
        }

    def update(self, stack: PulumiStack) -> None:
        self.updates += 1
        mesh = yaml.safe_load(self.path.read_text())["config"]["spanmesh:mesh"]
        for cluster in mesh["clusters"]:
            if cluster["name"] == self.failing:
                raise PulumiError("`pulumi up` failed; why stands above")
            self.versions[cluster["name"]] = cluster.get("istio", mesh["istio"])["version"]

    def restart(self, access: ClusterAccess, workloads: tuple[Outdated, ...], seconds: float, progress: Any) -> None:
        self.restarted.append((access.name, workloads))
        if self.failing == "rollout":
            raise RolloutError("the rollout of Deployment shop/cart did not end within 300 s")


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    (tmp_path / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (tmp_path / "stacks").mkdir()
    path = tmp_path / "stacks/Pulumi.test.yaml"
    path.write_text(FILE.replace("CLUSTERS", "".join(CLUSTER.replace("NAME", name) for name in NAMES)))
    kinds = {"clusters": "cluster", "users": "user"}
    document: dict[str, Any] = {"current-context": NAMES[0], "contexts": []}
    for kind, one in kinds.items():
        document[kind] = [
            {"name": n, one: {"server": "https://127.0.0.1:1"} if kind == "clusters" else {}} for n in NAMES
        ]
    document["contexts"] = [{"name": n, "context": {"cluster": n, "user": n}} for n in NAMES]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    made = Clusters(path, "1.29.2")
    monkeypatch.setattr(upgrade, "survey", made.survey)
    monkeypatch.setattr(upgrade, "update", made.update)
    monkeypatch.setattr(upgrade, "restart_workloads", made.restart)
    return made


def run(clusters: Clusters, *arguments: str, said: str | None = None) -> Result:
    command = ["upgrade", "--stack", "test", "--cwd", str(clusters.path.parent.parent), *arguments]
    return CliRunner().invoke(app, command, input=said)


def test_a_plan_says_the_order_and_changes_nothing(clusters: Clusters) -> None:
    before = clusters.path.read_text()
    ended = run(clusters, "--to", "1.30.5", "--plan", "-o", "json")
    assert ended.exit_code == 0
    first, second = json.loads(ended.stdout)["clusters"]
    assert (first["present"], first["declared"], first["after"], second["after"]) == (
        "1.29.2",
        "1.30.5",
        None,
        "cluster1",
    )
    assert [each["deployment"] for each in first["restarts"]] == ["istiod", "istio-eastwestgateway"]
    assert (clusters.path.read_text(), clusters.updates) == (before, 0)


def test_the_version_is_one_value_of_the_stack_file_and_comments_stay(clusters: Clusters) -> None:
    assert run(clusters, "--to", "1.30.5", "--cluster", "cluster2", "--yes").exit_code == 0
    assert clusters.versions == {"cluster1": "1.29.2", "cluster2": "1.30.5"}
    assert "version: 1.29.2} # with a comment" in clusters.path.read_text()
    assert run(clusters, "--to", "1.30.5", "--yes").exit_code == 0
    assert clusters.versions == dict.fromkeys(NAMES, "1.30.5")
    # One value again: that of the mesh.
    assert clusters.path.read_text().count("1.30.5") == 1
    assert "# the mesh" in clusters.path.read_text() and "# with a comment" in clusters.path.read_text()


def test_nothing_to_do_asks_nothing_and_updates_nothing(clusters: Clusters) -> None:
    assert run(clusters).exit_code == 0
    assert clusters.updates == 0


def test_what_is_not_agreed_to_is_not_done(clusters: Clusters) -> None:
    before = clusters.path.read_text()
    assert run(clusters, "--to", "1.30.5", said="n\n").exit_code == 1
    assert (clusters.path.read_text(), clusters.updates) == (before, 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "1.31.0"], "by 1 minor version"),
        (["--to", "1.28.5"], "newer than their istiod"),
        (["--to", "1.31.0", "--cluster", "cluster2"], "minor version"),
        (["--cluster", "cluster9"], "cluster9"),
    ],
)
def test_what_istio_does_not_support_is_refused_before_anything_is_written(
    clusters: Clusters, arguments: list[str], says: str
) -> None:
    before = clusters.path.read_text()
    ended = run(clusters, *arguments, "--yes")
    assert ended.exit_code == 2
    assert says in " ".join(ended.stderr.split())
    assert (clusters.path.read_text(), clusters.updates) == (before, 0)


def test_a_known_bad_version_is_named_with_its_issue(clusters: Clusters) -> None:
    ended = run(clusters, "--to", "1.30.2", "--plan")
    assert ended.exit_code == 0
    assert "istio#61043" in ended.stderr


def test_where_an_update_stops_is_told_for_every_cluster(clusters: Clusters) -> None:
    clusters.failing = "cluster2"
    ended = run(clusters, "--to", "1.30.5", "--workloads", "--yes")
    assert ended.exit_code == 1
    assert "cluster cluster1: istiod 1.30.5, as declared" in ended.stderr
    assert "cluster cluster2: istiod 1.29.2, not yet 1.30.5" in ended.stderr
    assert clusters.restarted == []
    clusters.failing = ""
    assert run(clusters, "--yes").exit_code == 0
    assert clusters.versions == dict.fromkeys(NAMES, "1.30.5")


def test_workloads_are_restarted_cluster_by_cluster_and_only_where_asked(clusters: Clusters) -> None:
    clusters.workloads = (CART, ALONE)
    assert run(clusters, "--to", "1.30.5", "--yes").exit_code == 0
    assert clusters.restarted == []
    assert run(clusters, "--workloads", "--cluster", "cluster2", "--yes").exit_code == 0
    assert [name for name, _ in clusters.restarted] == ["cluster2"]
    assert clusters.updates == 1
    ended = run(clusters, "--workloads", "--yes")
    assert [name for name, _ in clusters.restarted[1:]] == ["cluster1", "cluster2"]
    assert "nothing would make the pod anew" in ended.stdout


def test_a_rollout_that_hangs_ends_with_1(clusters: Clusters) -> None:
    clusters.workloads, clusters.failing = (CART,), "rollout"
    ended = run(clusters, "--workloads", "--yes")
    assert ended.exit_code == 1
    assert "did not end within 300 s" in ended.stderr
    assert len(clusters.restarted) == 1
