"""How istiods and operators reach clusters: kubeconfigs that stay off the disk, readers with few rights, rotation."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from cli.project import ROOT
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.load.constant import constant_requests
from live.remote_access.tokens import reader_tokens
from tests.lab.istioctl import Istioctl
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab

MESH_NAMESPACE, READER = "istio-system", "istio-reader-cluster1"
# The stack of another team: it gives out a kubeconfig as a secret output.
OTHER_PROGRAM = """\
import os
import pulumi
pulumi.export("clusters", {"cluster2": {"kubeconfig": pulumi.Output.secret(os.environ["CLUSTER2_KUBECONFIG"])}})
"""


def pulumi(project: Path, environment: dict[str, str], *arguments: str, stdin: str | None = None) -> str:
    """Run pulumi in a project to a good end."""
    command = ["pulumi", *arguments, "--non-interactive"]
    done = subprocess.run(
        command, cwd=project, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def mesh(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    """The lab's mesh; cluster1's kubeconfig is a secret of the stack file, cluster2's another stack's output."""
    stack = LabStack.make(tmp_path_factory.mktemp("access"), environment)
    direct = stack.accesses
    patch = pytest.MonkeyPatch()
    for name, value in stack.environment.items():
        patch.setenv(name, value)
    other = tmp_path_factory.mktemp("clusters")
    (other / "Pulumi.yaml").write_text("{name: clusters, runtime: {name: python, options: {virtualenv: .venv}}}")
    (other / "__main__.py").write_text(OTHER_PROGRAM)
    (other / ".venv").symlink_to(ROOT / ".venv")
    own = {**stack.environment, "CLUSTER2_KUBECONFIG": direct["cluster2"].text}
    pulumi(other, own, "stack", "init", "prod")
    pulumi(other, own, "up", "--yes", "--skip-preview")
    stack.mesh["clusters"][0]["kubeconfig"] = {}
    stack.mesh["clusters"][1]["kubeconfig"] = {
        "stack": "organization/clusters/prod",
        "output": "clusters.cluster2.kubeconfig",
    }
    stack.write()
    key = "spanmesh:mesh.clusters[0].kubeconfig.secret"
    pulumi(
        stack.project,
        stack.environment,
        *("config", "set", "--stack", stack.name, "--path", "--secret", key),
        stdin=direct["cluster1"].text,
    )
    stack.config = yaml.safe_load(stack.path.read_text())["config"]
    patch.delenv("KUBECONFIG")
    stack.environment.pop("KUBECONFIG")
    with nothing_left(stack):
        stack.up()
        yield stack
    patch.undo()


def token_of(access: ClusterAccess, reader: str = READER) -> str:
    """The newest token of a reader."""
    with api_client(access) as api:
        found = [t for t in reader_tokens(access) if f"istio-reader-{t.reader}" == reader]
        secret = client.CoreV1Api(api).read_namespaced_secret(found[-1].secret, MESH_NAMESPACE)
    return base64.b64decode(secret.data["token"]).decode()


def as_reader(access: ClusterAccess, token: str) -> ClusterAccess:
    """The cluster as opened by a token alone."""
    document = json.loads(json.dumps(access.document))
    document["users"][0]["user"] = {"token": token}
    return ClusterAccess(access.name, document)


def status_of_list(access: ClusterAccess) -> int:
    """HTTP status of listing the cluster's Services."""
    with api_client(access) as api:
        try:
            client.CoreV1Api(api).list_service_for_all_namespaces(_request_timeout=TIMEOUT)
        except ApiException as error:
            return int(error.status)
    return 200


def may(
    access: ClusterAccess, verb: str, group: str, resource: str, namespace: str = "", subresource: str = ""
) -> bool:
    """What the API server says of one right."""
    attributes = client.V1ResourceAttributes(
        verb=verb, group=group, resource=resource, namespace=namespace, subresource=subresource
    )
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    with api_client(access) as api:
        answer = client.AuthorizationV1Api(api).create_self_subject_access_review(review, _request_timeout=TIMEOUT)
    return bool(answer.status.allowed)


def rights(access: ClusterAccess, namespace: str) -> set[tuple[str, str, str]]:
    """Every right on objects in a namespace, but for what every account has: to ask about itself."""
    review = client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace=namespace))
    with api_client(access) as api:
        answer = client.AuthorizationV1Api(api).create_self_subject_rules_review(review, _request_timeout=TIMEOUT)
    return {
        (verb, group, f"{resource}/{name}" if name else resource)
        for rule in answer.status.resource_rules
        for verb in rule.verbs
        for group in rule.api_groups
        for resource in rule.resources
        for name in rule.resource_names or [""]
        if not resource.startswith("selfsubject")
    }


def test_kubeconfigs_of_secrets_and_other_stacks_are_not_left_in_plain_on_the_disk(mesh: LabStack) -> None:
    accesses = mesh.accesses
    credentials = [json.dumps(access.document["users"][0]["user"]) for access in accesses.values()]
    secrets = [value for text in credentials for value in json.loads(text).values() if len(str(value)) > 40]
    assert len(secrets) >= 2
    readable = [line for value in secrets for line in base64.b64decode(value).decode().splitlines() if len(line) == 64]
    state = mesh.attempt("stack", "export").stdout
    assert '"urn:pulumi:' in state
    files = [path for path in mesh.project.rglob("*") if path.is_file() and ".venv" not in path.parts]
    assert any(path.name == f"{mesh.name}.json" for path in files)
    texts = [state, *(path.read_text(errors="replace") for path in files)]
    assert [secret for secret in [*secrets, *readable] for text in texts if secret in text] == []


def test_a_changed_source_of_the_same_kubeconfig_changes_nothing(mesh: LabStack) -> None:
    before = dict(mesh.mesh["clusters"][1]["kubeconfig"])
    mesh.environment["CLUSTER2_KUBECONFIG"] = mesh.accesses["cluster2"].text
    try:
        mesh.mesh["clusters"][1]["kubeconfig"] = {"env": "CLUSTER2_KUBECONFIG"}
        mesh.write()
        ended = mesh.attempt("preview", "--expect-no-changes")
        assert ended.returncode == 0, ended.stdout
    finally:
        mesh.mesh["clusters"][1]["kubeconfig"] = before
        mesh.environment.pop("CLUSTER2_KUBECONFIG")
        mesh.write()


def test_a_reader_may_list_and_watch_what_istiod_needs_and_nothing_more(mesh: LabStack, istioctl: Istioctl) -> None:
    reader = as_reader(mesh.accesses["cluster2"], token_of(mesh.accesses["cluster2"]))
    everywhere = {
        (verb, group, resource)
        for verb in ("list", "watch")
        for group, resources in {
            "": ["namespaces", "nodes", "pods", "secrets", "services"],
            "discovery.k8s.io": ["endpointslices"],
            "networking.istio.io": ["workloadentries"],
            "gateway.networking.k8s.io": ["gateways"],
            "apiextensions.k8s.io": ["customresourcedefinitions"],
        }.items()
        for resource in resources
    }
    assert rights(reader, "default") == everywhere
    assert rights(reader, MESH_NAMESPACE) == everywhere | {(verb, "", "configmaps/istio") for verb in ("list", "watch")}
    # istiod does not sync without this one: docs/security.md says what follows.
    assert may(reader, "list", "", "secrets")
    for refused in [
        ("get", "", "secrets", MESH_NAMESPACE),
        ("list", "", "configmaps", "kube-system"),
        ("create", "", "pods", "default", "exec"),
        ("create", "", "serviceaccounts", MESH_NAMESPACE, "token"),
        ("impersonate", "", "serviceaccounts", MESH_NAMESPACE),
        ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
        *((verb, "", "secrets", MESH_NAMESPACE) for verb in ("create", "update", "patch", "delete")),
        *((verb, "", "services", "sample") for verb in ("create", "update", "patch", "delete")),
    ]:
        assert not may(reader, *refused), refused
    assert istioctl.remote_clusters("cluster1") == {"cluster1": "synced", "cluster2": "synced"}
    log = istioctl_log(mesh.accesses["cluster1"])
    assert "Add cluster" in log
    assert [line for line in log.splitlines() if "forbidden" in line] == []


def istioctl_log(access: ClusterAccess) -> str:
    """What the istiods of a cluster logged."""
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        pods = core.list_namespaced_pod(MESH_NAMESPACE, label_selector="app=istiod", _request_timeout=TIMEOUT).items
        return "".join(core.read_namespaced_pod_log(pod.metadata.name, MESH_NAMESPACE) for pod in pods)


def test_tokens_are_rotated_under_load_and_the_old_ones_end(mesh: LabStack, istioctl: Istioctl) -> None:
    accesses = mesh.accesses
    readers = {"cluster1": "istio-reader-cluster2", "cluster2": "istio-reader-cluster1"}
    old = {name: as_reader(access, token_of(access, readers[name])) for name, access in accesses.items()}
    assert {status_of_list(each) for each in old.values()} == {200}
    mesh.mesh["access"] = {"rotate": "2026-11"}
    mesh.write()
    with (
        constant_requests(accesses["cluster1"], "sample", 180) as from_cluster1,
        constant_requests(accesses["cluster2"], "sample", 180) as from_cluster2,
    ):
        mesh.up()
        results = [from_cluster1.result(), from_cluster2.result()]
    for result in results:
        assert result.failures == []
        assert set(result.answers) == {"cluster1", "cluster2"}
    assert {status_of_list(each) for each in old.values()} == {401}
    for name, access in accesses.items():
        (token,) = reader_tokens(access)
        assert token.secret.startswith(f"{readers[name]}-token-")
        assert token.last_used is not None
        assert status_of_list(as_reader(access, token_of(access, readers[name]))) == 200
        assert set(istioctl.remote_clusters(name).values()) == {"synced"}
    ended = mesh.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout


def test_a_reader_whose_link_is_dropped_is_revoked_alone(mesh: LabStack, istioctl: Istioctl) -> None:
    accesses = mesh.accesses
    dropped = as_reader(accesses["cluster1"], token_of(accesses["cluster1"], "istio-reader-cluster2"))
    kept = as_reader(accesses["cluster2"], token_of(accesses["cluster2"]))
    mesh.mesh["links"] = [{"reader": "cluster1", "peers": ["cluster2"]}]
    mesh.write()
    with constant_requests(accesses["cluster1"], "sample", 120) as load:
        mesh.up()
        result = load.result()
    assert result.failures == []
    assert set(result.answers) == {"cluster1", "cluster2"}
    assert (status_of_list(dropped), status_of_list(kept)) == (401, 200)
    assert istioctl.remote_clusters("cluster1")["cluster2"] == "synced"
    assert istioctl.remote_clusters("cluster2") == {"cluster2": "synced"}


def test_the_tokens_command_shows_readers_and_ages_and_no_token(mesh: LabStack) -> None:
    access = mesh.accesses["cluster2"]
    command = [str(ROOT / "spanmesh"), "tokens", "--stack", mesh.name, "--cwd", str(mesh.project), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    (row,) = [row for row in rows if row["cluster"] == "cluster2"]
    (token,) = reader_tokens(access)
    assert (row["reader"], row["secret"]) == ("cluster1", token.secret)
    assert row["created"] == token.created.isoformat()
    assert row["lastUsed"]
    assert row["expires"] is None
    assert token_of(access) not in done.stdout
