"""A request that was sent, found again in the logs of the clusters on its way."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from envoy.access_log import LogLine, read_line
from health.check import State
from health.walk.asked import Asked
from health.walk.facts import Pod, Unread
from health.walk.followed import Answer
from health.walk.step import Step
from live.walk import following
from live.walk.cluster_reader import ClusterReader
from live.walk.following import Trail, follow
from tests.unit.envoy.test_access_log import CLIENT, GATEWAY, RESET, UNKNOWN
from tests.unit.health.walk.sites import CLIENT as CLIENT_POD
from tests.unit.health.walk.sites import GATEWAY_POD, LOCAL, SERVER

ID = "aaaaaaaa-0000-4000-8000-000000000001"
FORBIDDEN = "forbidden"
OK = Answer(200, "Hello", "curl")
TRAIL = Trail(
    {"cluster2": [GATEWAY_POD]},
    {"198.51.100.80": "cluster2"},
    {"cluster1": {LOCAL.address: LOCAL}, "cluster2": {SERVER.address: SERVER}},
)


def line(text: str, **changes: Any) -> LogLine:
    read = read_line(text)
    assert read is not None
    return replace(read, **changes)


SERVED = line(CLIENT, duration=1, upstream_host="10.244.0.4:5000", downstream_remote_address="10.244.0.6:46376")


@dataclass
class Logs:
    """A cluster whose pods' logs are given."""

    name: str
    lines: dict[str, list[LogLine]]
    access: None = None

    def log(self, pod: Pod, seconds: int) -> list[LogLine] | Unread:
        assert seconds > 0
        return self.lines.get(pod.name, []) if FORBIDDEN not in self.lines else Unread("pods/log is forbidden")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(following, "WRITTEN_SECONDS", 0.01)
    monkeypatch.setattr(following, "KNOWN_SECONDS", 0.01)
    monkeypatch.setattr(following._found, "__defaults__", (0.01,))


def followed(monkeypatch: pytest.MonkeyPatch, answer: Answer | Unread, *clusters: dict[str, list[LogLine]]) -> Step:
    monkeypatch.setattr(following, "send", lambda *_: answer)
    readers = {f"cluster{n}": cast(ClusterReader, Logs(f"cluster{n}", lines)) for n, lines in enumerate(clusters, 1)}
    return follow(readers, CLIENT_POD, None, Asked("helloworld", 5000), ID, TRAIL)


def test_three_logs_are_joined_by_request_id_and_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    other = line(GATEWAY, upstream_local_address="10.244.0.6:1")
    gateway = [line(GATEWAY), other]
    step = followed(
        monkeypatch,
        OK,
        {CLIENT_POD.name: [line(CLIENT)]},
        {SERVER.name: [SERVED], GATEWAY_POD.name: gateway},
    )
    assert [(each.name, each.where, each.state) for each in step.children] == [
        ("client's log", "cluster1", State.OK),
        ("gateway's log", "cluster2", State.OK),
        ("server's log", "cluster2", State.OK),
    ]
    assert "the connection 10.244.0.6:46376 that the server's proxy saw" in step.children[1].message


def test_a_connection_that_goes_on_is_joined_by_the_gateways_address(monkeypatch: pytest.MonkeyPatch) -> None:
    step = followed(monkeypatch, OK, {CLIENT_POD.name: [line(CLIENT)]}, {SERVER.name: [SERVED]})
    assert step.children[1].state is State.OK
    assert "which is gateway pod istio-system/istio-eastwestgateway-1" in step.children[1].message


def test_a_request_that_no_server_got_is_found_at_the_gateway_by_name_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(503, "upstream connect error", "curl")
    step = followed(
        monkeypatch, answer, {CLIENT_POD.name: [line(RESET, request_id=ID)]}, {GATEWAY_POD.name: [line(UNKNOWN)]}
    )
    assert [each.cause.code if each.cause else None for each in step.children] == ["SM719", "SM719"]


def test_a_pod_of_the_same_cluster_needs_no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    local = line(CLIENT, upstream_host="10.244.0.6:5000")
    step = followed(monkeypatch, OK, {CLIENT_POD.name: [local], LOCAL.name: [SERVED]}, {})
    assert [each.name for each in step.children] == ["client's log", "server's log"]


def test_without_access_logs_a_good_answer_is_good_and_a_bad_one_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    good = followed(monkeypatch, OK, {}, {})
    assert [(each.state, "access log is off" in each.message) for each in good.children] == [(State.WARNING, True)]
    bad = followed(monkeypatch, Answer(503, "no", "curl"), {}, {})
    assert bad.children[0].state is State.SKIPPED


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(0, "curl: (6) Could not resolve host: helloworld", "curl"), "SM711"),
        (Answer(0, "curl: (7) Failed to connect", "curl"), "SM724"),
        (Answer(403, "RBAC: access denied", "curl"), "SM723"),
        (Answer(404, "", "curl"), None),
    ],
)
def test_what_the_client_got_is_a_cause_by_itself(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, expected: str | None
) -> None:
    step = followed(monkeypatch, answer, {}, {})
    assert (step.cause.code if step.cause else None) == expected


def test_a_log_that_may_not_be_read_is_not_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    step = followed(monkeypatch, OK, {FORBIDDEN: []}, {})
    assert [each.message for each in step.children] == ["pods/log is forbidden"]


def test_a_pod_that_cannot_send_leaves_it_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    step = followed(monkeypatch, Unread("no container has curl or wget"), {}, {})
    assert (step.state, step.message) == (State.SKIPPED, "no container has curl or wget")
