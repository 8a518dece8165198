"""The workflow's own steps, run on this machine: previews without clusters, then updates and previews of the lab."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.environment import ISTIO_CURRENT, PULUMI_TOOLS, charts_tool, pulumi_environment
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiStack
from tests.github import BASH, Runner, inherited_environment, load_workflow, runs, stacks
from tests.lab.nothing_left import clear
from toolchain import Toolchain

NOT_IN_GIT = shutil.ignore_patterns(".git", ".venv*", ".charts", ".*_cache", "__pycache__")
RELEASED = load_workflow()["jobs"]["clusterless"]["steps"][-1]["env"]["RELEASED"]


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    ended = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, content in files.items():
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "change")
    return git(folder, "rev-parse", "HEAD")


def borrow_environment(checkout: Path) -> None:
    """Make toolchain/venv.sh find an environment that is up to date: the packages of this one, not once more."""
    venv = checkout / ".venv"
    venv.mkdir()
    for entry in (ROOT / ".venv").iterdir():
        if entry.name != ".stamp":
            (venv / entry.name).symlink_to(entry)
    lock = hashlib.sha256((ROOT / "requirements/lab.lock").read_bytes()).hexdigest()
    version = ".".join(str(part) for part in sys.version_info[:3])
    (venv / ".stamp").write_text(f"{lock} Python {version} {venv}\n")


@pytest.fixture(scope="module")
def pulumi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with Pulumi and its plug-ins, and the charts of both Istio versions, as a runner has them."""
    if sys.platform != "linux":
        pytest.skip("the toolchain's Pulumi is built for Linux only")
    charts = [charts_tool(ISTIO_CURRENT), charts_tool("1.22.3")]
    tools = Toolchain().ensure([*PULUMI_TOOLS, *charts])
    folder = tmp_path_factory.mktemp("runner")
    (folder / "charts").mkdir()
    # The charts of releases come from the network; here the snapshot stands in for what is not at hand.
    for version, name in (("1.22.3", charts[1]), (RELEASED, charts[0]), (ISTIO_CURRENT, charts[0])):
        (folder / "charts" / version).symlink_to(tools[name].path)
    return {**inherited_environment(), **pulumi_environment(folder, tools), "CHARTS": str(folder / "charts")}


@pytest.fixture(scope="module")
def checkout(pulumi: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a runner checks it out, in a repository of its own."""
    folder = tmp_path_factory.mktemp("checkout") / "mesh"
    shutil.copytree(ROOT, folder, ignore=NOT_IN_GIT, symlinks=True)
    borrow_environment(folder)
    (folder / ".charts").symlink_to(pulumi["CHARTS"])
    git(folder, "init", "-q", "-b", "main")
    (folder / ".git/info/exclude").write_text(".venv\n.charts\n")
    commit(folder)
    return folder


def runner(checkout: Path, environment: dict[str, str], contexts: dict[str, Any], **replaced: str) -> Runner:
    # The command of the checkout, not of the tree that its borrowed environment belongs to.
    return Runner(checkout, {**environment, "PYTHONPATH": str(checkout)}, contexts, replaced)


def test_every_stack_is_previewed_without_clusters(checkout: Path, pulumi: dict[str, str]) -> None:
    found = runner(checkout, pulumi, {"vars": {}, "github": {}}, CHARTS=pulumi["CHARTS"]).run("clusterless")
    printed = found["Preview every stack"]
    names = {path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}
    assert names >= {"lab", "lab-three", "cce-two-regions", "aws-gcp", "acme", "acme-cn"}
    rows = [line.split("│") for line in printed.splitlines() if line.startswith("│")]
    assert {row[1].strip() for row in rows} == names
    assert all(int(row[3]) > 0 for row in rows), printed
    assert "failed" not in printed


def test_the_policy_of_every_stack_is_checked_and_shown_at_its_lines(checkout: Path, pulumi: dict[str, str]) -> None:
    (check,) = [step for step in load_workflow()["jobs"]["policy"]["steps"] if "policy check" in step.get("run", "")]
    environment = {**pulumi, "PYTHONPATH": str(checkout)}
    ended = subprocess.run(
        [*BASH, check["run"]], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    logs = {path.stem: json.loads(path.read_text()) for path in (checkout / "sarif").iterdir()}
    assert logs.keys() == {path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}
    # GitHub tells the stacks' findings apart by it.
    assert len({log["runs"][0]["automationDetails"]["id"] for log in logs.values()}) == len(logs)


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go on PATH to run actionlint with")
def test_the_workflow_is_what_github_takes(checkout: Path) -> None:
    lint = load_workflow()["jobs"]["unit"]["steps"][2]
    assert lint["name"] == "Lint the workflow"
    ended = subprocess.run(lint["run"].split(), cwd=checkout, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


class Hosted:
    """A deployed stack on the lab, in a repository that GitHub would run the workflow for."""

    def __init__(self, checkout: Path, environment: dict[str, str], kubeconfig: str) -> None:
        self.checkout, self.environment = checkout, environment
        programs = checkout.parent / "programs"
        programs.mkdir()
        self.last_deployment = programs / "last"
        self.last_deployment.write_text("")
        # Answers what the workflow asks GitHub for: the commit of the last deployment that worked.
        (programs / "gh").write_text(f'#!/bin/sh\n[ "$1 $2" = "run list" ] && cat {self.last_deployment}\n')
        (programs / "gh").chmod(0o755)
        self.environment["PATH"] = f"{programs}:{environment['PATH']}"
        backend = checkout.parent / "backend"
        backend.mkdir()
        self.variables = {"SPANMESH_STACKS": "prod", "PULUMI_BACKEND_URL": f"file://{backend}"}
        self.secrets = {"PULUMI_CONFIG_PASSPHRASE": "of the repository", "MESH_KUBECONFIG": kubeconfig}

    def event(self, base: str | None = None) -> Runner:
        """A push to main, or a pull request against the commit ``base``, up to the list of its stacks."""
        pull = {"base": {"sha": base}, "head": {"repo": {"full_name": "a/b"}}, "user": {"login": "alice"}}
        event = {"event_name": "pull_request", "event": {"pull_request": pull}} if base else {"event_name": "push"}
        github = {"repository": "a/b", "ref": "refs/heads/main", "token": "of the job", **event}
        contexts: dict[str, Any] = {"github": github, "vars": self.variables, "secrets": self.secrets}
        runs_here = runner(self.checkout, self.environment, contexts)
        contexts["needs"] = {"changes": {"outputs": {"stacks": runs_here.run("changes")["stacks"]}}}
        return runs_here

    @property
    def pulumi(self) -> PulumiStack:
        own = {"PULUMI_BACKEND_URL": self.variables["PULUMI_BACKEND_URL"], "PYTHONPATH": str(self.checkout)}
        passphrase = {"PULUMI_CONFIG_PASSPHRASE": self.secrets["PULUMI_CONFIG_PASSPHRASE"]}
        return PulumiStack(self.checkout, "prod", {**self.environment, **own, **passphrase})


@pytest.fixture(scope="module")
def hosted(checkout: Path, pulumi: dict[str, str], environment: dict[str, str]) -> Iterator[Hosted]:
    hosted = Hosted(checkout, dict(pulumi), Path(environment["KUBECONFIG"]).read_text())
    stack = yaml.safe_load((checkout / "stacks/Pulumi.lab.yaml").read_text())
    del stack["encryptionsalt"], stack["config"]["spanmesh:sample"]
    for cluster in stack["config"]["spanmesh:mesh"]["clusters"]:
        cluster["kubeconfig"] = {"env": "MESH_KUBECONFIG", "context": cluster["name"]}
    path = checkout / "stacks/Pulumi.prod.yaml"
    path.write_text(yaml.safe_dump(stack))
    made = hosted.pulumi.run("stack", "init", capture=True)
    assert made.returncode == 0, made.stdout
    commit(checkout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESH_KUBECONFIG", hosted.secrets["MESH_KUBECONFIG"])
        accesses = load_stack("prod", checkout).accesses
    try:
        yield hosted
    finally:
        hosted.environment["MESH_KUBECONFIG"] = hosted.secrets["MESH_KUBECONFIG"]
        ended = hosted.pulumi.run("destroy", "--yes", "--skip-preview", capture=True)
        for access in accesses.values():
            clear(access)
        assert ended.returncode == 0, ended.stdout


@pytest.mark.lab
def test_a_push_brings_up_the_deployed_stack_and_a_pull_request_shows_what_it_would_change(hosted: Hosted) -> None:
    jobs = load_workflow()["jobs"]
    first = hosted.event()
    assert runs(jobs["up"], first.contexts)
    assert stacks(jobs["up"], first.contexts) == ["prod"]
    summary = first.run("up", "prod")["summary"]
    clusters = hosted.pulumi.outputs()["clusters"]
    for name, cluster in clusters.items():
        (address,) = cluster["eastWest"]["addresses"]
        row = f"| {name} | {cluster['region']} | {cluster['network']} | east-west | {address} | 15443 |"
        assert row in summary.splitlines()

    base = git(hosted.checkout, "rev-parse", "HEAD")
    hosted.last_deployment.write_text(base)
    path = "stacks/Pulumi.prod.yaml"
    stack = yaml.safe_load((hosted.checkout / path).read_text())
    stack["config"]["spanmesh:mesh"]["clusters"][0].setdefault("eastWest", {})["maxReplicas"] = 7
    commit(hosted.checkout, **{path: yaml.safe_dump(stack)})
    pull = hosted.event(base)
    assert stacks(jobs["preview"], pull.contexts) == ["prod"]
    printed = pull.run("preview", "prod")["pulumi preview"]
    assert "maxReplicas: 5 => 7" in printed
    assert "~ 1 to update" in printed
    assert hosted.secrets["MESH_KUBECONFIG"] not in printed
    # What the Kubernetes provider leaves behind lies where a runner empties it.
    assert list(pull.temporary.glob("kubeconfig*"))

    # A change of no stack is neither previewed nor brought up; one that was not deployed yet still is.
    other = git(hosted.checkout, "rev-parse", "HEAD")
    commit(hosted.checkout, **{"README.md": "changed"})
    assert not runs(jobs["preview"], hosted.event(other).contexts)
    assert stacks(jobs["up"], hosted.event().contexts) == ["prod"]
    hosted.last_deployment.write_text(other)
    assert not runs(jobs["up"], hosted.event().contexts)


@pytest.mark.lab
def test_a_stack_that_is_not_declared_as_deployed_is_left_alone(hosted: Hosted) -> None:
    hosted.variables["SPANMESH_STACKS"] = ""
    hosted.last_deployment.write_text("")
    found = json.loads(hosted.event().contexts["needs"]["changes"]["outputs"]["stacks"])
    assert found == {"changed": [], "updates": [[], [], []]}
