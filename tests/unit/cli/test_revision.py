"""`spanmesh revision` on clusters that only say what they have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli import revision, revision_edit
from cli.app import app
from cli.pulumi import PulumiError, PulumiStack
from live.kubeconfig import ClusterAccess
from live.upgrade.listing import ListedRevision
from topology import Mesh, load_mesh
from topology.defaults import istio_of
from topology.revisions import declared_revisions, default_revision
from topology.upgrade import Installed, Outdated, Proxies, Surveyed

FILE = """\
config:
  # the mesh
  spanmesh:mesh:
    istio: {version: 1.29.4} # with a comment
    clusters:
CLUSTERS"""
CLUSTER = """\
      - name: NAME
        network: network-NAME
        apiServer: https://NAME.example.com:6443
        kubeconfig: {path: kubeconfig, context: NAME}
"""
NAMES = ("cluster1", "cluster2")
GATEWAY = "istio-eastwestgateway"


class Clusters:
    """Clusters that an update brings to what the stack file declares, with proxies in the namespace shop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.istiods: dict[str, dict[str, str]] = {name: {"default": "1.29.4"} for name in NAMES}
        self.gateways = dict.fromkeys(NAMES, "default")
        self.shop = dict.fromkeys(NAMES, "default")
        self.labels: dict[str, str] = {}
        self.updates, self.restarted = 0, list[str]()
        self.failing = ""

    @property
    def mesh(self) -> Mesh:
        return load_mesh(yaml.safe_load(self.path.read_text())["config"]["spanmesh:mesh"])

    def survey(self, mesh: Mesh, accesses: Mapping[str, ClusterAccess]) -> dict[str, Surveyed]:
        return {name: self._of(mesh, name) for name in accesses}

    def _of(self, mesh: Mesh, name: str) -> Surveyed:
        has, of = self.istiods[name], self.shop[name]
        proxies = Proxies({has[of]: 3}, {has[of]: frozenset({"shop"})})
        installed = Installed(
            has.get("default", ""),
            {GATEWAY: has[self.gateways[name]]},
            Proxies(proxies.versions, proxies.namespaces, {of: proxies}),
            named={each: version for each, version in has.items() if each != "default"},
            injected_by={} if self.gateways[name] == "default" else {GATEWAY: self.gateways[name]},
            asked={"shop": self.labels[name]} if name in self.labels else {},
        )
        istio = istio_of(mesh, mesh.cluster(name))
        label = self.labels.get(name, "default")
        wanted = default_revision(istio).name if label == "default" else istio.tags.get(label, label)
        behind = () if wanted == of else (Outdated("shop", "Deployment", "cart", 3, (has[of],), revisions=(of,)),)
        return Surveyed(installed, {"istiod": 1, GATEWAY: 2}, 0, behind)

    def update(self, stack: PulumiStack) -> None:
        self.updates += 1
        mesh = self.mesh
        for cluster in mesh.clusters:
            if cluster.name == self.failing:
                raise PulumiError("`pulumi up` failed; why stands above")
            istio = istio_of(mesh, cluster)
            self.istiods[cluster.name] = {each.name: each.version for each in declared_revisions(istio)}
            self.gateways[cluster.name] = default_revision(istio).name

    def label(self, access: ClusterAccess, names: list[str], to: str) -> None:
        if names:
            self.labels[access.name] = to

    def restart(self, access: ClusterAccess, workloads: tuple[Outdated, ...], seconds: float, progress: Any) -> None:
        if workloads and self.failing != "rollout":
            istio = istio_of(self.mesh, self.mesh.cluster(access.name))
            label = self.labels.get(access.name, "default")
            self.shop[access.name] = (
                default_revision(istio).name if label == "default" else istio.tags.get(label, label)
            )
            self.restarted.append(access.name)


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    (tmp_path / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
    (tmp_path / "stacks").mkdir()
    path = tmp_path / "stacks/Pulumi.test.yaml"
    path.write_text(FILE.replace("CLUSTERS", "".join(CLUSTER.replace("NAME", name) for name in NAMES)))
    document = {
        "current-context": NAMES[0],
        "clusters": [{"name": n, "cluster": {"server": "https://127.0.0.1:1"}} for n in NAMES],
        "users": [{"name": n, "user": {}} for n in NAMES],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in NAMES],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    made = Clusters(path)
    monkeypatch.setattr(revision_edit, "survey", made.survey)
    for name, fake in (
        ("survey", made.survey),
        ("update", made.update),
        ("label", made.label),
        ("present", lambda access, names: [each for each in names if each == "shop"]),
        ("restart_workloads", made.restart),
    ):
        monkeypatch.setattr(revision, name, fake)
    return made


def run(clusters: Clusters, *arguments: str, said: str | None = None) -> Result:
    command = ["revision", *arguments, "--stack", "test", "--cwd", str(clusters.path.parent.parent)]
    return CliRunner().invoke(app, command, input=said)


def done(clusters: Clusters, *arguments: str, code: int = 0) -> str:
    ended = run(clusters, *arguments, "--yes")
    assert ended.exit_code == code, ended.output
    return " ".join(ended.stderr.split())


def test_the_whole_way_from_one_istiod_to_the_other(clusters: Clusters) -> None:
    done(clusters, "add", "1.31.2", "--tag", "canary")
    assert clusters.istiods == {key: {"default": "1.29.4", "1-31-2": "1.31.2"} for key in NAMES}
    done(clusters, "move", "shop", "--to", "canary", "--cluster", "cluster1")
    assert clusters.shop == {"cluster1": "1-31-2", "cluster2": "default"}
    done(clusters, "default", "1-31-2", "--workloads")
    assert set(clusters.gateways.values()) == {"1-31-2"} == set(clusters.shop.values())
    assert clusters.restarted == ["cluster1", "cluster2"]
    done(clusters, "remove", "default")
    assert clusters.istiods == {key: {"1-31-2": "1.31.2"} for key in NAMES}
    text = clusters.path.read_text()
    assert "# the mesh" in text and "# with a comment" in text
    assert yaml.safe_load(text)["config"]["spanmesh:mesh"]["istio"] == {
        "version": "1.31.2",
        "revision": "1-31-2",
        "tags": {"canary": "1-31-2"},
    }


def test_the_swap_goes_back_by_the_same_command(clusters: Clusters) -> None:
    done(clusters, "add", "1.31.2")
    before = clusters.path.read_text()
    done(clusters, "default", "1-31-2")
    done(clusters, "default", "default")
    assert set(clusters.gateways.values()) == {"default"}
    assert yaml.safe_load(clusters.path.read_text()) == yaml.safe_load(before)


def test_one_cluster_goes_first_and_the_file_says_it_once_again_when_all_have_it(clusters: Clusters) -> None:
    done(clusters, "add", "1.31.2", "--tag", "canary", "--cluster", "cluster2")
    assert clusters.istiods["cluster1"] == {"default": "1.29.4"}
    done(clusters, "default", "1-31-2", "--cluster", "cluster2")
    assert clusters.gateways == {"cluster1": "default", "cluster2": "1-31-2"}
    done(clusters, "add", "1.31.2", "--tag", "canary", "--cluster", "cluster1")
    done(clusters, "default", "1-31-2", "--cluster", "cluster1")
    declared = yaml.safe_load(clusters.path.read_text())["config"]["spanmesh:mesh"]
    assert declared["istio"]["revision"] == "1-31-2"
    assert not any("istio" in each for each in declared["clusters"])


def test_a_tag_that_one_cluster_loses_stays_the_others(clusters: Clusters) -> None:
    done(clusters, "add", "1.31.2", "--tag", "canary")
    done(clusters, "remove", "1-31-2", "--cluster", "cluster1")
    first, second = (istio_of(clusters.mesh, each) for each in clusters.mesh.clusters)
    assert (first.tags, second.tags) == ({}, {"canary": "1-31-2"})
    assert clusters.istiods == {
        "cluster1": {"default": "1.29.4"},
        "cluster2": {"default": "1.29.4", "1-31-2": "1.31.2"},
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["remove", "1-31-2"], "3 running proxies are of it, in shop"),
        (["remove", "default"], "default is its default revision. Make 1-31-2 the default one first"),
        (["remove", "1-30-9"], "it has no revision 1-30-9. It has default, 1-31-2, canary"),
        (["default", "canary"], "it has no revision canary"),
        (["add", "1.32.1", "--name", "newest"], "across 2 minor versions"),
        (["add", "1.30.5", "--name", "canary"], "canary is the name of a revision too"),
        (["add", "1.30.5", "--name", "1.30.5"], "--name: 1.30.5 is no name of a revision"),
        (["add", "1.30.5", "--tag", "Prod"], "--tag: Prod is no name"),
        (["add", "1.30.5", "--name", "default"], "upgrade in place"),
        (["move", "shop", "--to", "mew"], "it has no revision mew"),
        (["move", "shelf", "--to", "canary"], "none of cluster1, cluster2 has it"),
        (["move", "shop", "--to", "canary", "--cluster", "cluster9"], "cluster9"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    clusters: Clusters, arguments: list[str], says: str
) -> None:
    done(clusters, "add", "1.31.2", "--tag", "canary")
    done(clusters, "move", "shop", "--to", "canary", "--cluster", "cluster2")
    before, labels, updates = clusters.path.read_text(), dict(clusters.labels), clusters.updates
    assert says in done(clusters, *arguments, code=2)
    assert (clusters.path.read_text(), clusters.labels, clusters.updates) == (before, labels, updates)


def test_what_is_not_agreed_to_is_not_done(clusters: Clusters) -> None:
    before = clusters.path.read_text()
    assert run(clusters, "add", "1.31.2", said="n\n").exit_code == 1
    assert (clusters.path.read_text(), clusters.updates) == (before, 0)


def test_an_update_that_fails_ends_with_1_and_goes_on_when_run_again(clusters: Clusters) -> None:
    clusters.failing = "cluster2"
    assert "run the same again" in done(clusters, "add", "1.31.2", code=1)
    clusters.failing = ""
    done(clusters, "add", "1.31.2")
    assert clusters.istiods["cluster2"] == {"default": "1.29.4", "1-31-2": "1.31.2"}


def test_proxies_that_stay_of_the_other_revision_end_a_move_with_1(clusters: Clusters) -> None:
    done(clusters, "add", "1.31.2")
    clusters.failing = "rollout"
    assert "left: cluster cluster1: Deployment shop/cart" in done(clusters, "move", "shop", "--to", "1-31-2", code=1)


def test_the_list_names_who_goes_by_each_istiod(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [ListedRevision("1-31-2", "1.31.2", "", True, ("prod",), 1, (GATEWAY,), {"shop": 3})]
    monkeypatch.setattr(revision, "listed", lambda mesh, accesses: dict.fromkeys(accesses, found))
    ended = run(clusters, "list", "-o", "json")
    assert ended.exit_code == 0, ended.output
    (first, _) = json.loads(ended.stdout)["clusters"]
    assert first == {
        "cluster": "cluster1",
        "revisions": [
            {
                "revision": "1-31-2",
                "declared": "1.31.2",
                "present": None,
                "default": True,
                "tags": ["prod"],
                "pods": 1,
                "gateways": [GATEWAY],
                "proxies": {"shop": 3},
            }
        ],
    }
