"""Changes of single keys in the file that declares a mesh."""

import difflib
import stat
from pathlib import Path

import pytest
import yaml

from cli.project import ROOT
from cli.stack_edit import StackEdit
from topology import MeshConfigError

FILE = """\
# of the mesh
config:
  pulumi:disable-default-providers: [kubernetes]

  # what is declared
  spanmesh:mesh:
    istio: {version: 1.32-dev, hub: x} # current
    # trust is
    # important
    trust: # why
      # inside
      protect: false # so that

      # of the root
      rootValidityDays: 100

    # gateways of
    # all
    eastWest: # of every cluster
      sourceRanges:
        - 192.0.2.0/25 # one
        # last
        - 192.0.2.128/25
    clusters:
      - name: cluster1 # first
        trust: {rotate: "a"} # flow
        network: n1

      # second one
      - name: cluster2
        network: n2
        kubeconfig: {secret: {secure: "v1:abc:def/ghi=="}}
  spanmesh:other: "on"
# end
encryptionsalt: v1:DQ=
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one stack."""
    (tmp_path / "stacks").mkdir()
    file(tmp_path).write_text(FILE)
    return tmp_path


def file(project: Path) -> Path:
    """Its stack file."""
    return project / "stacks/Pulumi.test.yaml"


def changed(before: str, after: str) -> list[str]:
    """Lines that are gone and lines that came."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_of_every_example_nothing_changes_but_what_is_set_and_it_can_be_taken_back(path: Path, tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    own = tmp_path / "stacks" / path.name
    own.write_text(path.read_text())
    mesh = yaml.safe_load(path.read_text())["config"]
    if "spanmesh:meshFile" in mesh:
        own = tmp_path / mesh["spanmesh:meshFile"]
        own.parent.mkdir(exist_ok=True)
        own.write_text((ROOT / mesh["spanmesh:meshFile"]).read_text())
    before = own.read_text()
    edit = StackEdit.open(tmp_path, path.name.split(".")[1])
    assert edit.path == own
    edit.set("trust.rotation", {"stage": "new-signs", "to": "generated"})
    edit.save()
    lines = [line.strip() for line in changed(before, own.read_text())]
    assert [line.split()[-2:] for line in lines[-2:]] == [["stage:", "new-signs"], ["to:", "generated"]]
    assert not any(line.startswith("-") for line in lines)
    again = StackEdit.open(tmp_path, path.name.split(".")[1])
    again.remove("trust.rotation")
    again.save()
    assert own.read_text() == before


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (
            "trust.rotation",
            {"stage": "both-trusted"},
            ["+      rotation:", "+        stage: both-trusted"],
        ),
        ("trust.protect", True, ["-      protect: false # so that", "+      protect: true  # so that"]),
        ("eastWest.replicas", 2, ["+      replicas: 2"]),
        (
            "istio.version",
            "1.30",
            [
                "-    istio: {version: 1.32-dev, hub: x} # current",
                '+    istio: {version: "1.30", hub: x}   # current',
            ],
        ),
        (
            "clusters[0].trust.rotate",
            "2026-11-23",
            ['-        trust: {rotate: "a"} # flow', '+        trust: {rotate: "2026-11-23"} # flow'],
        ),
        ("clusters[1].istio.version", "1.22.3", ["+        istio:", "+          version: 1.22.3"]),
    ],
)
def test_a_key_is_set_where_it_belongs_and_every_comment_stays(
    project: Path, path: str, value: str | bool | dict[str, str], lines: list[str]
) -> None:
    edit = StackEdit.open(project, "test")
    edit.set(path, value)
    assert file(project).read_text() == FILE, "nothing is written before it is saved"
    edit.save()
    assert changed(FILE, file(project).read_text()) == lines
    assert StackEdit.open(project, "test").get(path) == value


def test_set_step_by_step_is_the_same_as_set_at_once_and_removed_is_as_before(project: Path) -> None:
    edit = StackEdit.open(project, "test")
    edit.set("trust.rotation.stage", "both-trusted")
    edit.set("trust.rotation.to", "generated")
    edit.set("trust.rotation.stage", "new-signs")
    lines = ["+      rotation:", "+        stage: new-signs", "+        to: generated"]
    assert changed(FILE, edit.text()) == lines
    edit.remove("trust.rotation.stage")
    edit.remove("trust.rotation.to")
    assert edit.text() == FILE
    edit.remove("trust.rotation")
    assert edit.text() == FILE


def test_what_is_removed_takes_no_comment_of_others_with_it(project: Path) -> None:
    edit = StackEdit.open(project, "test")
    edit.remove("trust.rootValidityDays")
    assert changed(FILE, edit.text()) == ["-      rootValidityDays: 100"]
    edit.remove("clusters[0].trust.rotate")
    assert [line for line in changed(FILE, edit.text()) if "trust" in line] == ['-        trust: {rotate: "a"} # flow']
    assert "# gateways of" in edit.text()
    assert edit.get("clusters[0].trust") is None


def test_an_encrypted_text_is_moved_as_it_is(project: Path) -> None:
    edit = StackEdit.open(project, "test")
    edit.set("clusters[1].trust.key", edit.get("clusters[1].kubeconfig"))
    edit.save()
    held = yaml.safe_load(file(project).read_text())["config"]["spanmesh:mesh"]["clusters"][1]
    assert held["trust"]["key"] == held["kubeconfig"] == {"secret": {"secure": "v1:abc:def/ghi=="}}


def test_a_cluster_is_found_by_its_name(project: Path) -> None:
    edit = StackEdit.open(project, "test")
    assert edit.cluster("cluster2") == "clusters[1]"
    with pytest.raises(KeyError):
        edit.cluster("cluster3")


def test_what_stands_under_an_alias_is_not_changed_for_others_too(project: Path) -> None:
    shared = FILE.replace('trust: {rotate: "a"}', "trust: &t {rotate: a}").replace("network: n2", "trust: *t")
    file(project).write_text(shared)
    edit = StackEdit.open(project, "test")
    edit.set("clusters[1].trust.rotate", "b")
    with pytest.raises(MeshConfigError, match=r"shared by other keys.*by hand"):
        edit.save()
    assert file(project).read_text() == shared


def test_line_ends_rights_and_a_link_to_the_file_stay(project: Path) -> None:
    kept = project / "kept.yaml"
    kept.write_bytes(FILE.replace("\n", "\r\n").encode())
    kept.chmod(0o640)
    file(project).unlink()
    file(project).symlink_to(kept)
    edit = StackEdit.open(project, "test")
    edit.set("trust.protect", True)
    edit.save()
    assert kept.read_bytes() == FILE.replace("protect: false", "protect: true ").replace("\n", "\r\n").encode()
    assert file(project).is_symlink()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert [path.name for path in (project / "stacks").iterdir()] == ["Pulumi.test.yaml"]


def test_where_it_cannot_be_written_the_file_is_as_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    edit = StackEdit.open(project, "test")
    edit.set("trust.protect", True)
    monkeypatch.setattr("cli.stack_edit.os.fsync", full)
    with pytest.raises(
        MeshConfigError, match=r"cannot be written: No space left on device\. Nothing of it was changed"
    ):
        edit.save()
    assert file(project).read_text() == FILE
    assert [path.name for path in (project / "stacks").iterdir()] == ["Pulumi.test.yaml"]


@pytest.mark.parametrize("text", ["a: [", "config: {}\n", "config: {a: 1, a: 2}\n"])
def test_a_file_that_declares_no_mesh_is_refused(project: Path, text: str) -> None:
    file(project).write_text(text)
    with pytest.raises(MeshConfigError):
        StackEdit.open(project, "test")
