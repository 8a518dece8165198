"""What docs/verification-rights.yaml grants is enough to look at a mesh; what it leaves out is told, never ok."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from cli.project import ROOT
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.shared_mesh.mirrored import Mirrored

pytestmark = pytest.mark.lab

NAMESPACE = "verification"
CLUSTERS = ("cluster1", "cluster2")
RBAC = "rbac.authorization.k8s.io"
LOOKING, PROBING, _ = yaml.safe_load_all((ROOT / "docs/verification-rights.yaml").read_text())
Command = Callable[..., dict[str, Any]]


def binding_of(role: dict[str, Any]) -> dict[str, Any]:
    """Gives the account a documented role."""
    name = role["metadata"]["name"]
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
    }


@pytest.fixture(scope="module")
def clusters(mirrored: Mirrored) -> Iterator[dict[str, Kubectl]]:
    """Both clusters with an account that has the documented role and no other right."""
    found = {name: mirrored.kubectl(name) for name in CLUSTERS}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": NAMESPACE}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    try:
        for kubectl in found.values():
            kubectl.apply(namespace, account, LOOKING, binding_of(LOOKING))
        yield found
    finally:
        for kubectl in found.values():
            for role in (LOOKING, PROBING):
                kubectl("delete", "clusterrole,clusterrolebinding", role["metadata"]["name"], "--ignore-not-found")
            kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def command(
    mirrored: Mirrored, clusters: dict[str, Kubectl], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Command]:
    """The `spanmesh` command as that account; what it prints as JSON, with its exit code as ``exit``."""
    stack = mirrored.stack
    merged: dict[str, Any] = {"clusters": [], "users": [], "contexts": []}
    for name, access in mirrored.accesses.items():
        token = clusters[name]("-n", NAMESPACE, "create", "token", "reader", "--duration=1h").strip()
        merged["clusters"].append({**access.document["clusters"][0], "name": name})
        merged["users"].append({"name": name, "user": {"token": token}})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path = tmp_path_factory.mktemp("reader") / "kubeconfig"
    path.write_text(yaml.safe_dump(merged))
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**stack.environment, "KUBECONFIG": str(path)}.items():
            patch.setenv(key, value)

        def run(*arguments: str) -> dict[str, Any]:
            own = ["--stack", stack.name, "--cwd", str(stack.project), "-o", "json"]
            ended = CliRunner().invoke(app, [*arguments, *own])
            return {**json.loads(ended.stdout), "exit": ended.exit_code}

        yield run


def test_status_tells_everything(command: Command) -> None:
    found = command("status")
    assert (found["exit"], found["state"]) == (0, "as declared"), found
    for each in found["clusters"]:
        assert each["remotes"]["text"] == "1/1 configured, 1/1 connected"
        assert {each[part]["state"] for part in ("api", "istiod", "gateway", "certificates", "policy")} == {"ok"}


def test_diagnose_tells_everything_but_the_tokens_that_lie_beside_the_private_key(command: Command) -> None:
    found = command("diagnose")
    assert found["findings"] == []
    assert {each["check"] for each in found["unknown"]} == {"remote-tokens"}, found["unknown"]
    assert all("docs/verification-rights.yaml on purpose" in each["reason"] for each in found["unknown"])


def test_without_a_right_what_needs_it_cannot_be_told_and_the_right_is_named(
    command: Command, clusters: dict[str, Kubectl]
) -> None:
    narrow = [rule for rule in LOOKING["rules"] if not {"pods/portforward", "secrets"} & set(rule["resources"])]
    clusters["cluster1"].apply({**LOOKING, "rules": narrow})
    try:
        assert eventually(lambda: command("status")["exit"] == 2)
        first, second = command("status")["clusters"]
    finally:
        clusters["cluster1"].apply(LOOKING)
    assert (first["state"], second["state"]) == ("skipped", "ok")
    assert first["remotes"]["text"] == "?/1 configured, ?/1 connected"
    assert "pods/portforward" in first["istiod"]["reasons"][0]
    assert 'secrets "istio-remote-clusters" is forbidden' in "".join(first["remotes"]["reasons"])
    assert (first["api"]["state"], first["gateway"]["state"]) == ("ok", "ok"), "they need no such right"


def may(kubectl: Kubectl, verb: str, resource: str, name: str = "", namespace: str = "") -> bool:
    """Whether the API server lets the account do so now."""
    attributes = {"verb": verb, "resource": resource, "namespace": namespace, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"system:serviceaccount:{NAMESPACE}:reader", "resourceAttributes": attributes},
    }
    said = json.loads(kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    return bool(said["status"]["allowed"])


def test_no_secret_but_the_remote_one_may_be_read(clusters: dict[str, Kubectl]) -> None:
    names = ("istio-remote-clusters", "cacerts", "")
    assert {name: may(clusters["cluster1"], "get", "secrets", name, "istio-system") for name in names} == {
        "istio-remote-clusters": True,
        "cacerts": False,
        "": False,
    }


def test_verify_tells_everything_else_with_the_role_of_the_probe_too(
    command: Command, clusters: dict[str, Kubectl]
) -> None:
    for kubectl in clusters.values():
        kubectl.apply(PROBING, binding_of(PROBING))
    # The authorizer learns of a role a moment after the API server has it.
    assert eventually(lambda: all(may(kubectl, "create", "namespaces") for kubectl in clusters.values()))
    found = command("verify")
    states = {each["check"]: each["state"] for each in found["results"] if each["state"] != "ok"}
    assert states == {"remote-tokens": "skipped", "plain-text": "skipped"}, found["results"]
    assert all(each["failures"] == {} for each in found["matrix"].values())
