"""What is read of clusters, and what becomes of one that does not answer or forbids something."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from live.bundle.archive import archive
from live.bundle.clusters import Gathered, Wanted, gather_clusters
from live.bundle.known import known_secrets
from live.bundle.masker import Masker
from live.bundle.pods import targets
from live.kubeconfig import ClusterAccess
from tests.unit.live.bundle.test_archive import unpacked
from tests.unit.live.policy.api_server import FakeApiServer, cluster
from topology import Mesh

SERVICES = "/api/v1/namespaces/istio-system/services"
EVENTS = "/api/v1/namespaces/istio-system/events"


def api_server() -> FakeApiServer:
    """One that serves little: everything else is not found."""
    node = {
        "metadata": {"name": "node1", "labels": {"a": "b"}},
        "spec": {"providerID": "x"},
        "status": {"nodeInfo": {}},
    }
    events = [
        {"metadata": {"name": name}, "lastTimestamp": when, "message": "password=hunter2"}
        for name, when in (("old", "2020-01-01T00:00:00Z"), ("new", "2999-01-01T00:00:00Z"))
    ]
    answers: dict[str, Any] = {
        "/version": {"gitVersion": "v1.36.3"},
        "/apis": {"groups": []},
        "/api/v1/nodes": [node],
        SERVICES: [{"metadata": {"name": "istiod"}}],
        EVENTS: events,
    }
    return FakeApiServer(answers)


def gathered(tmp_path: Path, *accesses: ClusterAccess) -> tuple[list[Gathered], dict[str, str], dict[str, str]]:
    """What became of clusters, the archive's files, and by path what is missing."""
    told: list[Gathered] = []
    with archive(tmp_path / "a.tar.gz", "top", Masker()) as made:
        found = gather_clusters({each.name: each for each in accesses}, Wanted(), made, told.append)
        made.write_index({})
    assert sorted(told, key=lambda each: each.cluster) == sorted(found, key=lambda each: each.cluster)
    files = unpacked(tmp_path / "a.tar.gz")
    index = json.loads(files["top/index.json"])
    return found, files, {each["path"]: each["reason"] for each in index["missing"]}


def test_a_cluster_that_does_not_answer_costs_nothing_of_another(tmp_path: Path) -> None:
    started = time.monotonic()
    with api_server().access("one") as access:
        found, files, missing = gathered(tmp_path, cluster("dead", "http://127.0.0.1:1"), access)
    assert [(each.cluster, bool(each.silent)) for each in found] == [("dead", True), ("one", False)]
    assert "does not answer" in missing["clusters/dead/"]
    assert json.loads(files["top/clusters/one/version.json"]) == {"gitVersion": "v1.36.3"}
    assert found[1].files == sum(name.startswith("top/clusters/one/") for name in files)
    assert time.monotonic() - started < 60


def test_what_an_api_server_does_not_give_is_listed_with_the_reason(tmp_path: Path) -> None:
    with api_server().access("one") as access:
        (found,), _, missing = gathered(tmp_path, access)
    assert "404" in missing["clusters/one/istio-system/pods.json"]
    assert found.missing == len(missing)


def test_events_that_are_old_are_left_out_and_nodes_are_cut_down(tmp_path: Path) -> None:
    with api_server().access("one") as access:
        _, files, _ = gathered(tmp_path, access)
    (event,) = json.loads(files["top/clusters/one/istio-system/events.json"])
    assert event["metadata"]["name"] == "new"
    assert "hunter2" not in event["message"]
    (node,) = json.loads(files["top/clusters/one/nodes.json"])
    assert node["name"] == "node1"
    assert "spec" not in node


def test_only_the_metadata_of_secrets_is_asked_for(tmp_path: Path) -> None:
    server = api_server()
    with server.access("one") as access:
        gathered(tmp_path, access)
    asked = [each for each in server.asked if "secrets" in each.path]
    assert [each.path for each in asked] == ["/api/v1/namespaces/istio-system/secrets"]
    assert "as=PartialObjectMetadataList" in asked[0].accept


@pytest.mark.parametrize(("container", "kind"), [("containers", "istio-proxy"), ("initContainers", "istio-proxy")])
def test_a_proxy_is_asked_whether_it_is_a_native_sidecar_or_not(container: str, kind: str) -> None:
    pod = {
        "metadata": {"namespace": "sample", "name": "sleep"},
        "spec": {container: [{"name": kind}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": kind, "restartCount": 2}]},
    }
    bare = {"metadata": {"namespace": "sample", "name": "bare"}, "spec": {"containers": [{"name": "app"}]}}
    pending = {**pod, "status": {"phase": "Pending"}}
    (target,) = targets("clusters/one", [pod, bare, pending])
    assert (target.name, target.container, target.restarted) == ("sleep", "istio-proxy", True)
    assert 15000 in target.pages


def test_the_secrets_that_the_tool_reads_itself_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "the passphrase")
    monkeypatch.setenv("REMOTE_KUBECONFIG", "users: [{user: {token: token-of-a-variable}}]")
    mesh = Mesh.model_validate(
        {
            "clusters": [
                {
                    "name": "one",
                    "network": "n1",
                    "apiServer": "https://203.0.113.1:6443",
                    "kubeconfig": {"env": "REMOTE_KUBECONFIG"},
                    "trust": {"key": {"path": str(key_file)}, "certificate": {"secret": "no key"}},
                }
            ]
        }
    )
    user = {"token": "the-token", "client-key-data": "a2V5", "exec": {"env": [{"name": "X", "value": "of-the-plugin"}]}}
    access = ClusterAccess("one", {"users": [{"user": user}]})
    known = known_secrets(mesh, [access])
    assert {"the passphrase", "the-token", "a2V5", "of-the-plugin", "token-of-a-variable"} <= known
    assert any("BEGIN PRIVATE KEY" in each for each in known)
