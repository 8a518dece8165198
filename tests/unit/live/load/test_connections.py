"""What is read of the counters of the sample's proxies, and told of two looks at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from live.kubeconfig import ClusterAccess
from live.load import connections
from live.load.connections import (
    ANNOTATION,
    MATCHER,
    NoCountsError,
    connection_counts,
    counted_between,
    hidden_failures,
    read_counts,
)

SERVICE = "helloworld.sample.svc.cluster.local"
CURRENT = f"""\
cluster.outbound|5000||{SERVICE};.ssl.certificate.default.expiration_unix_time_seconds: 1795503478
cluster.outbound|5000||{SERVICE};.ssl.fail_verify_error: 2
cluster.outbound|5000||{SERVICE};.ssl.handshake: 300
cluster.outbound|5000|v1|{SERVICE};.ssl.handshake: 11
cluster.outbound|5000||{SERVICE};.upstream_cx_total: 302
cluster.outbound|5000||{SERVICE};.upstream_cx_connect_ms: P0(nan,0) P25(nan,0)
cluster.outbound|5000||other.sample.svc.cluster.local;.upstream_cx_total: 7
listener.0.0.0.0_15006.ssl.handshake: 5
listener.0.0.0.0_15021.ssl.handshake: 9
"""
FORMER = f"""\
cluster.outbound|5000||{SERVICE}.upstream_cx_connect_fail: 1
cluster.outbound|5000||{SERVICE}.upstream_rq_retry: 1
cluster.outbound|5000||{SERVICE}.upstream_cx_total: 40
"""


def test_the_counts_of_all_subsets_of_helloworld_are_taken_together_and_of_nothing_else() -> None:
    counts = read_counts(CURRENT)
    assert (counts["ssl.handshake"], counts["upstream_cx_total"], counts["ssl.fail_verify_error"]) == (311, 302, 2)
    assert counts["listener.ssl.handshake"] == 5
    assert "upstream_cx_connect_ms" not in counts


def test_the_names_of_istio_1_22_are_read_as_well() -> None:
    counts = read_counts(FORMER)
    assert counts == {"upstream_cx_connect_fail": 1, "upstream_rq_retry": 1, "upstream_cx_total": 40}
    assert hidden_failures(counts) == {"upstream_cx_connect_fail": 1, "upstream_rq_retry": 1}


def test_between_two_looks_only_what_came_since_is_counted_and_of_a_new_pod_everything() -> None:
    before = {"cluster1/a": {"upstream_cx_total": 10, "upstream_rq_retry": 3}, "cluster1/gone": {"ssl.handshake": 4}}
    after = {
        "cluster1/a": {"upstream_cx_total": 15, "upstream_rq_retry": 3},
        "cluster2/new": {"upstream_cx_total": 2, "listener.ssl.fail_verify_san": 1},
    }
    counts = counted_between(before, after)
    assert counts["upstream_cx_total"] == 7
    assert counts["ssl.handshake"] == 0
    assert hidden_failures(counts) == {"listener.ssl.fail_verify_san": 1}


def test_a_native_sidecar_of_the_sample_is_asked_and_a_pod_without_a_proxy_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    @contextmanager
    def port(_: object, name: str, *__: object) -> Iterator[SimpleNamespace]:
        asked.append(name)
        yield SimpleNamespace(text=lambda _: CURRENT)

    @contextmanager
    def connected(_: object) -> Iterator[None]:
        yield

    counted = {ANNOTATION: MATCHER}
    pods = [
        sample_pod("native", {"containers": [], "initContainers": [{"name": "istio-proxy"}]}, counted),
        sample_pod("plain", {"containers": [{"name": "sleep"}]}, {}),
    ]
    monkeypatch.setattr(connections, "Api", lambda _: SimpleNamespace(list=lambda *_: iter(pods)))
    monkeypatch.setattr(connections, "api_client", connected)
    monkeypatch.setattr(connections, "pod_http", port)
    counts = connection_counts({"cluster1": ClusterAccess("cluster1", {})}, "sample")
    assert asked == ["native"]
    assert counts["cluster1/native"]["upstream_cx_total"] == 302
    pods[0]["metadata"]["annotations"] = {}
    with pytest.raises(NoCountsError, match="pod sample/native in cluster cluster1"):
        connection_counts({"cluster1": ClusterAccess("cluster1", {})}, "sample")


def sample_pod(name: str, spec: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec, "status": {"phase": "Running"}}
