"""Where a cluster's kubeconfig is taken from, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from live.kubeconfig import ClusterAccess
from live.kubeconfig import read_access as read_with
from live.sources import Sources
from topology import Cluster, Kubeconfig, MeshConfigError

KEY = "spanmesh:mesh.clusters[0]"


def kubeconfig(*names: str, current: str = "", user: dict[str, Any] | None = None) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": n, "cluster": {"server": f"https://{n}.example:6443"}} for n in names],
            "users": [{"name": n, "user": user or {"token": f"token-{n}"}} for n in names],
            "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names],
        }
    )


def read_access(declared: Cluster, key: str) -> ClusterAccess:
    """The kubeconfig of a cluster, where one other stack is known."""
    outputs = {"kubeconfig": kubeconfig("a", current="a"), "clusters": {"b": {"config": kubeconfig("b", current="b")}}}
    return read_with(declared, key, Sources(Path.cwd(), {"acme/clusters/prod": outputs}.__getitem__))


def cluster(**where: str | None) -> Cluster:
    return Cluster(
        name="cluster1", network="network1", api_server="https://203.0.113.11:6443", kubeconfig=Kubeconfig(**where)
    )


def test_one_context_is_cut_out_of_a_file_with_several(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(kubeconfig("a", "b", current="a"))
    access = read_access(cluster(path=str(tmp_path / "config"), context="b"), KEY)
    assert access.server == "https://b.example:6443"
    assert "token-a" not in access.text


def test_the_current_context_is_used_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(kubeconfig("a", "b", current="b"))
    assert read_access(cluster(path=str(tmp_path / "config")), KEY).server == "https://b.example:6443"


def test_without_a_path_the_files_of_kubeconfig_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_text(kubeconfig("a", current="a"))
    (tmp_path / "two").write_text(kubeconfig("b"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'one'}:{tmp_path / 'two'}:{tmp_path / 'absent'}")
    assert read_access(cluster(context="b"), KEY).server == "https://b.example:6443"


def test_an_environment_variable_holds_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER1", kubeconfig("a", current="a"))
    assert read_access(cluster(env="CLUSTER1"), KEY).server == "https://a.example:6443"


def test_a_secret_of_the_stack_file_is_the_text() -> None:
    assert read_access(cluster(secret=kubeconfig("a", current="a")), KEY).server == "https://a.example:6443"


@pytest.mark.parametrize(("output", "server"), [("kubeconfig", "a"), ("clusters.b.config", "b")])
def test_another_stacks_output_is_the_text(output: str, server: str) -> None:
    access = read_access(cluster(stack="acme/clusters/prod", output=output), KEY)
    assert access.server == f"https://{server}.example:6443"


def test_relative_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(kubeconfig("a", current="a", user={"client-certificate": "a.crt"}))
    access = read_access(cluster(path=str(tmp_path / "config")), KEY)
    assert access.document["users"][0]["user"]["client-certificate"] == str(tmp_path / "a.crt")


def test_credentials_are_not_shown_by_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER1", kubeconfig("a", current="a"))
    assert "token-a" not in repr(read_access(cluster(env="CLUSTER1"), KEY))


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        (None, {}, ["cannot read", "No such file"]),
        ("token: [broken-secret", {}, ["is not a kubeconfig"]),
        ("just text broken-secret", {}, ["is not a kubeconfig"]),
        (kubeconfig("a"), {}, ["no context is named", "Contexts there: a"]),
        (kubeconfig("a", "b"), {"context": "c"}, ["no context is called 'c'", "Contexts there: a, b"]),
    ],
    ids=["no file", "not YAML", "not a mapping", "no current context", "unknown context"],
)
def test_a_bad_kubeconfig_is_refused_without_quoting_it(
    tmp_path: Path, text: str | None, where: dict[str, str], says: list[str]
) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MeshConfigError) as refused:
        read_access(cluster(path=str(path), **where), KEY)
    assert refused.value.problems[0].key.startswith(f"{KEY}.kubeconfig")
    for part in says:
        assert part in str(refused.value)
    assert "broken-secret" not in str(refused.value)
