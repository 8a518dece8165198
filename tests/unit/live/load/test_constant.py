"""What is made of the lines that the client pods print."""

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from live.kubeconfig import ClusterAccess
from live.load import client, constant

ACCESS = ClusterAccess("cluster1", {})
HELLO = "Hello version: v2, cluster: cluster2, instance: helloworld-v2-1"
DENIED = "RBAC: access denied"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the pod prints, to be filled by the test; the command to stop prints nothing."""
    texts: list[str] = []
    metadata = SimpleNamespace(name="sleep-1", namespace="sample", labels={"app": "sleep"})

    def no_client(access: ClusterAccess) -> AbstractContextManager[Any]:
        return nullcontext(SimpleNamespace())

    def run(access: ClusterAccess, pod: str, namespace: str, container: str, command: list[str], seconds: float) -> str:
        return "" if command[-1].startswith("touch") else texts.pop(0)

    monkeypatch.setattr(client, "api_client", no_client)
    monkeypatch.setattr("live.load.client.client.CoreV1Api", lambda api: api)
    monkeypatch.setattr(client, "client_pod", lambda *_: SimpleNamespace(metadata=metadata))
    monkeypatch.setattr(client, "pod_exec", run)
    return texts


def test_answers_are_counted_by_version_and_cluster_and_failures_keep_their_reason(printed: list[str]) -> None:
    printed.append(
        f"{HELLO}\n\t200\t\x1e{DENIED}\t403\t\x1e\t000\tCould not resolve host: helloworld.sample\x1e"
        f"{HELLO}\n\t200\t\x1e"
    )
    result = constant.requests_at_once(ACCESS, "sample", 4)
    assert (result.sent, result.versions, result.answers) == (4, {"v2": 2}, {"cluster2": 2})
    assert result.failures == [f"403 {DENIED}", "0 Could not resolve host: helloworld.sample"]


def test_requests_that_did_not_end_in_time_are_no_result(printed: list[str]) -> None:
    printed.append(f"{HELLO}\n\t200\t\x1eHello ver")
    with pytest.raises(constant.LoadError, match="1 of 3 requests of cluster1"):
        constant.requests_at_once(ACCESS, "sample", 3)


def test_a_load_tells_when_each_request_went_and_what_it_got(printed: list[str]) -> None:
    printed.append(f"100.5 100.75 {HELLO} 200\n101.5 106.5 curl: (28) Operation timed out 000\ndone 2\n")
    with constant.constant_requests(ACCESS, "sample", 10) as running:
        pass
    first, second = running.result().each
    assert (first.asked, first.came, first.cluster, first.version) == (100.5, 100.75, "cluster2", "v2")
    assert (second.cluster, second.status) == ("", 0)
    assert running.result().failures == ["0 curl: (28) Operation timed out"]


def test_a_load_that_broke_off_is_no_result(printed: list[str]) -> None:
    printed.append(f"100.5 100.75 {HELLO} 200\n")
    with (
        pytest.raises(constant.LoadError, match="load of cluster1 broke off"),
        constant.constant_requests(ACCESS, "sample", 10),
    ):
        pass
