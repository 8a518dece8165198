import gc
import socket
import threading
from collections.abc import Iterator

import pytest

from live.pods import port_forward
from live.pods.port import PodPortError, pod_http, pod_socket
from tests.unit.live.port_server import Channels, Pod, access, port_server


def answering(*answers: bytes) -> Pod:
    def pod(channels: Channels) -> None:
        for answer in answers:
            assert channels.receive()[:5] == b"\x00GET "
            channels.send(0, answer)
        channels.receive()

    return pod


def http_answer(body: str, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode()


def forwarding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "port-forward"]


@pytest.fixture(scope="module", autouse=True)
def no_socket_is_left_open() -> Iterator[None]:
    yield
    gc.collect()  # An unclosed one warns here, and warnings are errors.


@pytest.fixture(autouse=True)
def no_thread_is_left_running() -> Iterator[None]:
    yield
    assert not forwarding_threads()


def test_several_requests_go_over_one_connection() -> None:
    pod = answering(http_answer("[1, 2]"), http_answer("second"))
    with port_server(pod) as cluster, pod_http(cluster, "istiod", "istio-system", 8080) as http:
        assert http.json("/debug/clusterz") == [1, 2]
        assert http.text("/debug/syncz") == "second"


def test_an_answer_larger_than_any_buffer_arrives_whole() -> None:
    large = "x" * 3_000_000
    with port_server(answering(http_answer(large))) as cluster, pod_http(cluster, "a", "b", 8080) as http:
        assert http.text("/") == large


def test_the_other_side_is_told_when_this_one_closes() -> None:
    seen: list[threading.Event] = []

    def pod(channels: Channels) -> None:
        seen.append(channels.closed)
        assert channels.receive() == b"\x00hello"
        channels.send(0, b"and back")
        channels.receive()

    with port_server(pod) as cluster:
        with pod_socket(cluster, "a", "b", 8080) as connected:
            connected.sendall(b"hello")
            assert connected.recv(100) == b"and back"
        assert seen[0].wait(5)


@pytest.mark.parametrize(
    ("status", "message", "cure"),
    [
        (404, 'pods "gone" not found', ""),
        # Of the right to create, which a WebSocket needs too, Kubernetes 1.36 says no more than this.
        (403, 'pods "gone" is forbidden', ". Grant get and create on pods/portforward (docs/verification-rights.yaml)"),
    ],
)
def test_a_refusal_is_told_in_kubernetes_own_words_and_leaves_nothing_open(
    status: int, message: str, cure: str
) -> None:
    with (
        port_server(answering(), refuses=status, message=f"{message}: " if cure else message) as cluster,
        pytest.raises(PodPortError) as raised,
        pod_http(cluster, "gone", "sample", 8080),
    ):
        pytest.fail("it was refused")
    assert str(raised.value) == f"port 8080 of pod sample/gone in cluster cluster1 cannot be reached: {message}{cure}"
    assert raised.value.status == status


def test_a_port_at_which_nobody_listens_is_told_in_the_nodes_words() -> None:
    def pod(channels: Channels) -> None:
        channels.send(1, b"dial tcp4 127.0.0.1:9: connect: connection refused\n")
        channels.receive()

    with (
        port_server(pod) as cluster,
        pod_http(cluster, "a", "b", 9) as http,
        pytest.raises(PodPortError, match=r"pod b/a in cluster cluster1 does not answer /: dial .* refused$"),
    ):
        http.text("/")


def test_a_pod_that_goes_away_in_the_middle_of_an_answer_is_no_answer() -> None:
    def pod(channels: Channels) -> None:
        channels.receive()
        channels.send(0, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with (
        port_server(pod) as cluster,
        pod_http(cluster, "a", "b", 9) as http,
        pytest.raises(PodPortError, match="does not answer /"),
    ):
        http.text("/")


def test_after_a_pod_has_closed_no_request_goes_to_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        own.settimeout(0.2)
        closing = answering(http_answer("first", headers="Connection: close\r\n"))
        with port_server(closing) as cluster, pod_http(cluster, "a", "b", own.getsockname()[1]) as http:
            assert http.text("/") == "first"
            with pytest.raises(PodPortError):
                http.text("/second")
        with pytest.raises(TimeoutError):
            own.accept()


def test_an_api_server_that_is_silent_costs_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_forward, "CONNECT_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(PodPortError, match="timed out"),
        pod_socket(access(silent.getsockname()[1]), "a", "b", 8080),
    ):
        pytest.fail("it does not answer")


def test_no_api_server_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(PodPortError, match="Connection refused"), pod_socket(access(port), "a", "b", 8080):
        pytest.fail("nobody listens")
