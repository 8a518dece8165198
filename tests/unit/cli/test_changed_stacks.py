"""Which stacks a commit concerns, and in what order they are brought up."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from cli.changes import GitError, changes

RUN = CliRunner()
CLUSTER = {"name": "cluster1", "network": "network1", "apiServer": "https://203.0.113.1:6443"}
PROD = {
    "spanmesh:mesh": {"access": {"rotate": ""}, "clusters": [{**CLUSTER, "kubeconfig": {"path": "./access/prod.yaml"}}]}
}
DIVIDED = {"spanmesh:meshFile": "stacks/acme.mesh.yaml"}
GROUPS = {"groups": {"cn": {"stack": "acme-cn"}, "eu": {"stack": "organization/spanmesh/acme-eu"}}}
STACKS = ["prod", "acme", "acme-cn", "acme-eu"]


def git(project: Path, *arguments: str) -> str:
    own = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    ended = subprocess.run(["git", *own, *arguments], cwd=project, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def commit(project: Path, **files: object) -> str:
    """Write files, commit everything, and return the commit."""
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    git(project, "add", "--all")
    git(project, "commit", "-qm", "change")
    return git(project, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    files: dict[str, object] = {
        "stacks/Pulumi.prod.yaml": {"config": PROD},
        "stacks/Pulumi.acme.yaml": {"config": DIVIDED},
        "stacks/Pulumi.acme-cn.yaml": {"config": {**DIVIDED, "spanmesh:group": "cn"}},
        "stacks/Pulumi.acme-eu.yaml": {"config": {**DIVIDED, "spanmesh:group": "eu"}},
        "stacks/acme.mesh.yaml": GROUPS,
        "components/mesh.py": "",
        "docs/page.md": "",
        "access/prod.yaml": "",
    }
    commit(tmp_path, **files)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("stacks/Pulumi.prod.yaml", ["prod"]),
        ("stacks/Pulumi.acme-cn.yaml", ["acme-cn"]),
        ("stacks/acme.mesh.yaml", ["acme", "acme-cn", "acme-eu"]),
        ("access/prod.yaml", ["prod"]),
        ("components/mesh.py", STACKS),
        ("components/new/part.py", STACKS),
        ("requirements/lab.lock", STACKS),
        ("docs/page.md", []),
        ("stacks/Pulumi.production.yaml", []),
    ],
)
def test_a_stack_is_concerned_by_its_files_and_by_the_program(project: Path, path: str, changed: list[str]) -> None:
    since = git(project, "rev-parse", "HEAD")
    stack = yaml.safe_load((project / path).read_text()) if (project / path).exists() else None
    commit(project, **{path: f"{yaml.safe_dump(stack) if stack else ''}# changed\n"})
    assert list(changes(project, STACKS, since).changed) == changed


def test_what_the_main_branch_did_meanwhile_is_no_change_of_a_pull_request(project: Path) -> None:
    git(project, "switch", "-qc", "branch")
    commit(project, **{"stacks/Pulumi.acme-eu.yaml": {"config": {**DIVIDED, "spanmesh:group": "eu", "a:b": "c"}}})
    git(project, "switch", "-q", "main")
    since = commit(project, **{"components/mesh.py": "# other work"})
    git(project, "switch", "-q", "branch")
    assert changes(project, STACKS, since).changed == ("acme-eu",)


def test_a_file_that_moved_away_concerns_who_named_it(project: Path) -> None:
    since = git(project, "rev-parse", "HEAD")
    git(project, "mv", "access/prod.yaml", "access/other.yaml")
    commit(project)
    assert changes(project, STACKS, since).changed == ("prod",)


def test_without_a_commit_to_compare_with_everything_has_changed(project: Path) -> None:
    assert changes(project, STACKS, "").changed == tuple(STACKS)


@pytest.mark.parametrize(
    ("path", "updates"),
    [
        ("stacks/Pulumi.prod.yaml", [["prod"], [], []]),
        ("stacks/Pulumi.acme.yaml", [["acme"], [], []]),
        ("stacks/Pulumi.acme-eu.yaml", [[], ["acme-eu"], ["acme"]]),
        ("stacks/acme.mesh.yaml", [["acme"], ["acme-cn", "acme-eu"], ["acme"]]),
    ],
)
def test_a_divided_mesh_is_brought_up_in_three_rounds(project: Path, path: str, updates: list[list[str]]) -> None:
    since = git(project, "rev-parse", "HEAD")
    commit(project, **{path: (project / path).read_text() + "# changed\n"})
    ran = RUN.invoke(app, ["changed-stacks", "--since", since, "-C", str(project), "-o", "json"])
    assert json.loads(ran.stdout)["updates"] == updates


def test_stacks_of_an_organization_keep_their_whole_name(project: Path) -> None:
    among = "acme-org/prod acme-org/spanmesh/acme acme-org/spanmesh/acme-eu"
    ran = RUN.invoke(app, ["changed-stacks", "--since", "", "--among", among, "-C", str(project), "-o", "json"])
    assert json.loads(ran.stdout)["updates"] == [
        ["acme-org/prod", "acme-org/spanmesh/acme"],
        ["acme-org/spanmesh/acme-eu"],
        ["acme-org/spanmesh/acme"],
    ]


def test_where_no_stack_is_deployed_none_has_changed(project: Path) -> None:
    ran = RUN.invoke(app, ["changed-stacks", "--since", "", "--among", "", "-C", str(project), "-o", "json"])
    assert json.loads(ran.stdout) == {"changed": [], "updates": [[], [], []]}


@pytest.mark.parametrize("since", ["0000000000000000000000000000000000000000", "--output=stolen", "nothing"])
def test_a_commit_that_is_not_there_is_named(project: Path, since: str) -> None:
    with pytest.raises(GitError, match=f"git cannot compare {since} with HEAD"):
        changes(project, STACKS, since)
    assert not (project / "stolen...HEAD").exists()


def test_a_deployed_stack_without_a_file_is_named(project: Path) -> None:
    ran = RUN.invoke(app, ["changed-stacks", "--since", "", "--among", "gone", "-C", str(project)])
    assert ran.exit_code == 1
    assert "Pulumi.gone.yaml" in str(ran.exception)
