"""Remote Secrets beside the mesh's own: which of them can go, and how istiod is told."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from live.kubeconfig import ClusterAccess
from live.takeover import remote_secrets
from live.takeover.remote_secrets import OtherRemoteSecret, other_remote_secrets, take_out_remote_secrets

ACCESS = ClusterAccess("cluster1", {"clusters": [{"cluster": {"server": "https://203.0.113.11:6443"}}]})


class Cluster:
    """The API of a cluster with these remote Secrets, by the clusters that each gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **secrets: list[str]) -> None:
        self.secrets = {name.replace("_", "-"): clusters for name, clusters in secrets.items()}
        self.done: list[tuple[str, str]] = []
        monkeypatch.setattr(remote_secrets, "api_client", nullcontext)
        monkeypatch.setattr(client, "CoreV1Api", lambda api: self)

    def list_namespaced_secret(self, namespace: str, **_: Any) -> Any:
        items = [
            SimpleNamespace(metadata=SimpleNamespace(name=name), data=dict.fromkeys(clusters, ""))
            for name, clusters in self.secrets.items()
        ]
        return SimpleNamespace(items=items)

    def delete_namespaced_secret(self, name: str, namespace: str, **_: Any) -> None:
        self.done.append(("delete", name))

    def patch_namespaced_secret(self, name: str, namespace: str, body: Any, **_: Any) -> None:
        assert list(body["metadata"]["annotations"]) == ["spanmesh.io/remote-secret-refreshed"]
        self.done.append(("write anew", name))


def test_only_those_whose_clusters_the_mesh_s_own_gives_too_can_go(monkeypatch: pytest.MonkeyPatch) -> None:
    Cluster(monkeypatch, istio_remote_clusters=["cluster2"], other=["cluster2"], foreign=["cluster9"])
    assert other_remote_secrets(ACCESS) == [
        OtherRemoteSecret("foreign", ("cluster9",), superseded=False),
        OtherRemoteSecret("other", ("cluster2",), superseded=True),
    ]
    Cluster(monkeypatch, other=["cluster2"], empty=[])
    assert [each.superseded for each in other_remote_secrets(ACCESS)] == [False, False]


def test_the_mesh_s_own_is_written_anew_after_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, istio_remote_clusters=["cluster2"], other=["cluster2"])
    take_out_remote_secrets(ACCESS, other_remote_secrets(ACCESS))
    assert cluster.done == [("delete", "other"), ("write anew", "istio-remote-clusters")]
    take_out_remote_secrets(ACCESS, [])
    assert len(cluster.done) == 2
