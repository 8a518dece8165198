"""What `spanmesh rescue` writes into a stack file where the root's key is lost."""

import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.project import load_stack
from cli.pulumi import PulumiStack
from cli.rescue import edited
from live.state.lost_trust import Authority, Given
from topology import MeshConfigError, load_mesh
from topology.errors import Problem

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "c", "user": {"token": "t"}}],
}
MESH = """\
    trust: {rotation: {stage: both-trusted}}
    clusters:
      # the first one
      - name: cluster1
        network: network1
        kubeconfig: {path: kubeconfig}
        apiServer: https://203.0.113.11:6443
        trust: {rotate: "2"} # after the audit
"""
# "Encrypts" by turning the text round, and shows that it came by standard input.
PULUMI = """#!{python}
import sys, yaml
flags = sys.argv
assert flags[1:3] == ["config", "set"] and "--secret" in flags, flags
path = flags[flags.index("--config-file") + 1]
document = yaml.safe_load(open(path))
assert document["encryptionsalt"] == "v1:salt"
name = flags[flags.index("--secret") + 1]
text = sys.stdin.read().removesuffix("\\n")
document.setdefault("config", {{}})[name] = {{"secure": text[::-1]}}
open(path, "w").write(yaml.safe_dump(document))
"""
GIVEN = Given("ROOT\n", {"cluster1": Authority("CERTIFICATE\n", "KEY\n", "ROOT\n")}, 3)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(PULUMI.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))
    return tmp_path


def after(project: Path, given: Given = GIVEN) -> tuple[str, dict[str, Any]]:
    """The stack file as it is to be: its text, and the mesh."""
    edit = edited(load_stack("prod", project), PulumiStack(project, "prod", {}), given)
    edit.save()
    text = edit.path.read_text()
    return text, yaml.safe_load(text)["config"]["spanmesh:mesh"]


def test_the_clusters_intermediates_are_given_from_now_on_encrypted(project: Path) -> None:
    (project / "stacks/Pulumi.prod.yaml").write_text(f"config:\n  spanmesh:mesh:\n{MESH}encryptionsalt: v1:salt\n")
    text, mesh = after(project)
    assert mesh["trust"] == {
        "root": "provided",
        "rootCertificate": {"secret": {"secure": "\nTOOR"}},
        "generation": 3,
    }
    assert mesh["clusters"][0]["trust"] == {
        "certificate": {"secret": {"secure": "\nETACIFITREC"}},
        "key": {"secret": {"secure": "\nYEK"}},
    }
    assert "# the first one" in text
    plain = yaml.safe_load(text.replace("secure", "ignored"))
    assert "KEY" not in str(plain)


def test_what_is_given_passes_the_checks_of_a_stack_file(project: Path) -> None:
    (project / "stacks/Pulumi.prod.yaml").write_text(f"config:\n  spanmesh:mesh:\n{MESH}encryptionsalt: v1:salt\n")
    _, mesh = after(project)
    trust, own = mesh["trust"], mesh["clusters"][0]["trust"]
    trust["rootCertificate"] = own["certificate"] = own["key"] = {"secret": "decrypted"}
    assert load_mesh(mesh).trust.generation == 3


def test_a_file_in_which_pulumi_encrypts_nothing_is_left_alone_and_it_is_said_what_to_write(project: Path) -> None:
    lines = [line[4:] for line in MESH.splitlines()]
    (project / "acme.yaml").write_text("\n".join(lines))
    (project / "stacks/Pulumi.prod.yaml").write_text("config:\n  spanmesh:meshFile: acme.yaml\n")
    with pytest.raises(MeshConfigError) as refused:
        after(project)
    (problem,) = refused.value.problems
    assert isinstance(problem, Problem)
    assert "`root: provided`" in str(problem)
    assert "cluster1" in str(problem)
    assert (project / "acme.yaml").read_text() == "\n".join(lines)
