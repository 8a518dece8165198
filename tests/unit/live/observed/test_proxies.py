"""Single proxies as their admin port shows them: what they refuse, and which connections fail now."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from health.observed import ProxySync
from health.proxy import Door, Rejected, Upstream
from live.kubeconfig import ClusterAccess
from live.observed import proxies
from live.observed.proxies import Question, ask
from live.pods.port import PodPortError

ACCESS = ClusterAccess("cluster1", {})
HOST = "hello.sample.svc.cluster.local"
CLUSTER = f"outbound|80||{HOST}"
GATEWAY = "198.51.100.8:15443"
SYNCED = {"CDS": "SYNCED", "LDS": "SYNCED", "EDS": "SYNCED", "RDS": "NOT SENT"}
Answers = Mapping[str, Any]


def hosts(connections: int, failed: int, flags: str = "healthy") -> str:
    """What /clusters says of two Services behind one gateway, and of one pod."""
    lines = [
        f"{name}::{address}::{key}::{value}"
        for name, address in ((CLUSTER, GATEWAY), ("outbound|81||other", GATEWAY), (CLUSTER, "10.244.0.7:8080"))
        for key, value in (("cx_total", connections), ("cx_connect_fail", failed), ("health_flags", flags))
    ]
    return "\n".join([f"{CLUSTER}::default_priority::max_connections::1024", *lines, ""])


class Admin:
    """A proxy's admin port; of an answer that is a list, one after the other."""

    def __init__(self, answers: Answers) -> None:
        self._answers = {path: list(said) if isinstance(said, list) else [said] for path, said in answers.items()}

    def _said(self, path: str) -> Any:
        for known, said in self._answers.items():
            if path.startswith(known):
                return said.pop(0) if len(said) > 1 else said[0]
        return {"configs": []}

    def json(self, path: str) -> Any:
        return json.loads(json.dumps(self._said(path)))

    def text(self, path: str) -> str:
        return str(self._said(path))

    def lines(self, path: str, limit: int) -> Iterator[str]:
        yield from self._said(path)[:limit].splitlines(keepends=True)


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], None]:
    """Lets every proxy answer so."""

    def answering(answers: Answers) -> None:
        made = Admin(answers)

        @contextmanager
        def connected(*_: object) -> Iterator[Admin]:
            yield made

        monkeypatch.setattr(proxies, "pod_http", connected)
        monkeypatch.setattr(proxies, "MOMENT", 0)

    return answering


def sync(errors: Mapping[str, str] | None = None, **states: str) -> ProxySync:
    """A sidecar."""
    return ProxySync("client.sample", "cluster1", "sidecar", "1.30.5", {**SYNCED, **states}, errors or {})


def refusing(details: str) -> Answers:
    """A listener that was refused, and one that was not."""
    return {"/config_dump?resource=dynamic_listeners": {"configs": [{}, {"error_state": {"details": details}}]}}


def test_what_istiod_says_was_rejected_is_told_in_its_words(admin: Callable[[Answers], None]) -> None:
    admin(refusing("in the proxy's words"))
    told = ask(ACCESS, Question(sync({"LDS": "unknown filter"}, LDS="REJECTED"))).proxy
    assert told.rejected == (Rejected("LDS", "unknown filter"),)


def test_where_istiod_says_only_that_a_proxy_is_late_the_proxy_says_whether_it_refused(
    admin: Callable[[Answers], None],
) -> None:
    admin(refusing("unknown filter\n"))
    assert ask(ACCESS, Question(sync(LDS="STALE"))).proxy.rejected == (Rejected("LDS", "unknown filter"),)
    admin({"/stats": "cluster_manager.cds.update_rejected: 3\n"})
    assert ask(ACCESS, Question(sync(CDS="STALE"))).proxy.rejected == (Rejected("CDS"),)
    admin({"/stats": "cluster_manager.cds.update_rejected: 0\n"})
    assert ask(ACCESS, Question(sync(CDS="STALE"))).proxy.rejected == ()


def test_connections_to_gateways_are_counted_over_all_services_and_pods_are_not(
    admin: Callable[[Answers], None],
) -> None:
    admin({"/clusters": [hosts(10, 4), hosts(13, 6, "/failed_outlier_check")]})
    told = ask(ACCESS, Question(sync(), (), frozenset({GATEWAY}))).proxy
    assert told.upstreams == (Upstream(GATEWAY, 26, 12, lately=6, lately_failed=4, ejected=2),)


def test_a_proxy_without_failures_is_looked_at_once(admin: Callable[[Answers], None]) -> None:
    admin({"/clusters": [hosts(10, 0), hosts(99, 99)]})
    told = ask(ACCESS, Question(sync(), (), frozenset({GATEWAY}))).proxy
    assert told.upstreams == (Upstream(GATEWAY, 20, 0),)


def counters(over: int) -> str:
    """What a gateway's /stats says of its port 15443."""
    counts = {"downstream_cx_active": 5, "downstream_cx_overflow": over, "downstream_pre_cx_active": 2}
    counts |= {"no_filter_chain_match": 3}
    return "".join(f"listener.0.0.0.0_15443.{name}: {value}\n" for name, value in counts.items())


def test_a_gateway_that_closed_connections_is_looked_at_twice(admin: Callable[[Answers], None]) -> None:
    gateway = replace(sync(), type="router")
    admin({"/stats": [counters(40), counters(49)]})
    assert ask(ACCESS, Question(gateway)).proxy.door == Door(held=7, over=49, strangers=3, lately_over=9)
    admin({"/stats": [counters(0), counters(9)]})
    assert ask(ACCESS, Question(gateway)).proxy.door == Door(held=7, over=0, strangers=3)
    admin({"/stats": "\n"})
    assert ask(ACCESS, Question(gateway)).proxy.door is None


def test_endpoints_are_told_by_the_workload_and_cluster_that_istiod_notes(admin: Callable[[Answers], None]) -> None:
    address = {"socket_address": {"address": "10.244.0.7", "port_value": 8080}}
    noted = {"filter_metadata": {"istio": {"workload": "hello;sample;hello;v1;cluster2"}}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}, "metadata": noted}]}]
    admin(
        {
            "/config_dump?include_eds": {
                "configs": [{"endpoint_config": {"cluster_name": CLUSTER, "endpoints": endpoints}}]
            },
            "/server_info": {
                "node": {"metadata": {"PROXY_CONFIG": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}}}
            },
        }
    )
    told = ask(ACCESS, Question(sync(), (HOST,))).proxy
    assert [(str(each), each.workload, each.cluster) for each in told.endpoints[CLUSTER]] == [
        ("10.244.0.7:8080", "hello", "cluster2")
    ]
    assert told.dns_capture


def test_a_proxy_that_does_not_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def refused(*_: object) -> Iterator[None]:
        raise PodPortError("connection refused")
        yield

    monkeypatch.setattr(proxies, "pod_http", refused)
    answer = ask(ACCESS, Question(sync()))
    assert (answer.proxy.problem, answer.trust) == ("connection refused", None)


def test_a_proxy_that_answers_by_what_nobody_knows_says_so_and_stops_nothing(
    admin: Callable[[Answers], None],
) -> None:
    admin({"/config_dump?resource=dynamic_active_secrets": ["not an object"]})
    answer = ask(ACCESS, Question(sync()))
    assert "client.sample gave what cannot be read: AttributeError" in answer.proxy.problem
    assert answer.trust is None
