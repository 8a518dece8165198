"""Where the mesh is declared: in the stack file or in a file of its own; secrets only encrypted."""

from pathlib import Path
from typing import Any

import pytest

from live.declaration import declared_mesh, has_secrets, refuse_plain_secrets
from topology import MeshConfigError

MESH: dict[str, Any] = {"clusters": [{"name": "cluster1"}]}
ENCRYPTED = {"secure": "v1:abc"}


def test_the_stack_file_or_a_file_beside_it_declares_the_mesh(tmp_path: Path) -> None:
    (tmp_path / "acme.mesh.yaml").write_text("clusters: [{name: cluster1}]")
    assert declared_mesh(MESH, None, tmp_path) == MESH
    assert declared_mesh({}, "acme.mesh.yaml", tmp_path) == MESH
    assert declared_mesh(None, str(tmp_path / "acme.mesh.yaml"), Path("/")) == MESH


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("a: [", "line 2 is not YAML"),
        ("just text", "holds no mapping"),
        (
            "clusters: [{kubeconfig: {secret: hidden}}]",
            "clusters[0].kubeconfig.secret: the secret stands there in plain",
        ),
    ],
    ids=["no file", "not YAML", "no mapping", "a plain secret"],
)
def test_an_unusable_file_is_refused_without_quoting_it(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "mesh.yaml").write_text(text + "\n")
    with pytest.raises(MeshConfigError) as refused:
        declared_mesh(None, "mesh.yaml", tmp_path)
    assert says in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_two_declarations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MeshConfigError, match=r"spanmesh:meshFile: both spanmesh:mesh and"):
        declared_mesh(MESH, "mesh.yaml", tmp_path)


def test_a_plain_secret_of_the_stack_file_is_refused_by_its_path() -> None:
    config = {"clusters": [{"kubeconfig": {"secret": ENCRYPTED}}, {"kubeconfig": {"secret": "hidden"}}]}
    with pytest.raises(MeshConfigError) as refused:
        refuse_plain_secrets(config, "spanmesh:mesh.")
    (problem,) = refused.value.problems
    assert problem.key == "spanmesh:mesh.clusters[1].kubeconfig.secret"
    assert f"--secret '{problem.key}'" in problem.cure
    assert "hidden" not in str(refused.value)


def test_istios_own_values_may_have_a_key_called_secret() -> None:
    refuse_plain_secrets({"istio": {"values": {"secret": "name"}}}, "spanmesh:mesh.")


def test_what_pulumi_encrypted_is_seen_at_any_depth() -> None:
    assert has_secrets({"clusters": [{"trust": {"key": {"secret": ENCRYPTED}}}]})
    assert not has_secrets({"clusters": [{"trust": {"key": {"path": "secure"}}}]})
