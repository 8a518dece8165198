"""How a request is sent from a container, and what of it is read."""

import pytest
from kubernetes.client.exceptions import ApiException

from health.walk.asked import Asked
from health.walk.facts import Pod, Unread
from health.walk.followed import Answer
from live.kubeconfig import ClusterAccess
from live.walk import sending

ACCESS = ClusterAccess("cluster1", {})
POD = Pod("cluster1", "sample", "sleep-1", containers=("sleep", "helper"))
ASKED = Asked("helloworld", 5000, "/hello", headers={"x-user": "jane doe"})
CURL = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\n\r\nno healthy upstream"
WGET = "  HTTP/1.1 200 OK\n  server: envoy\n  \nHello"


def commands(monkeypatch: pytest.MonkeyPatch, prints: dict[tuple[str, str], str]) -> list[tuple[str, list[str]]]:
    """What is run, by container, with what it prints."""
    ran: list[tuple[str, list[str]]] = []

    def run(_access: object, _pod: str, _namespace: str, container: str, command: list[str], _seconds: float) -> str:
        ran.append((container, command))
        return prints.get((container, command[0]), "")

    monkeypatch.setattr(sending, "pod_exec", run)
    return ran


def test_curl_sends_headers_and_an_own_request_id(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = commands(monkeypatch, {("sleep", "curl"): CURL})
    answer = sending.send(ACCESS, POD, ASKED, "id-1")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.command) == (503, "curl")
    assert answer.text.endswith("no healthy upstream")
    ((container, command),) = ran
    assert container == "sleep"
    assert command[-5:] == ["-H", "x-user: jane doe", "-H", "x-request-id: id-1", "http://helloworld:5000/hello"]


def test_wget_is_asked_where_there_is_no_curl(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = commands(monkeypatch, {("sleep", "sh"): WGET})
    answer = sending.send(ACCESS, POD, ASKED, "id-1")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.command) == (200, "wget")
    assert "--header=x-request-id: id-1" in ran[1][1]


def test_an_image_without_either_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = commands(monkeypatch, {})
    answer = sending.send(ACCESS, POD, ASKED, "id-1")
    assert isinstance(answer, Unread)
    assert "no container of pod sample/sleep-1 has curl or wget (sleep, helper)" in answer.reason
    assert "x-request-id: id-1" in answer.reason
    assert {container for container, _ in ran} == {"sleep", "helper"}


def refuse(*_: object) -> str:
    """As the library does where exec is forbidden: it stumbles over the exception that it has made itself."""
    error = ApiException(status=0, reason="Handshake status 403 Forbidden -+-+- {'audit-id': 'x'} -+-+- b''")
    stumbled = AttributeError("'NoneType' object has no attribute 'decode'")
    stumbled.__context__ = error
    raise stumbled


def test_a_user_without_the_right_to_exec_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "pod_exec", refuse)
    answer = sending.send(ACCESS, POD, ASKED, "id-1")
    assert isinstance(answer, Unread)
    assert "pods/exec): Handshake status 403 Forbidden. Let the application ask http://" in answer.reason
