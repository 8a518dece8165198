"""The script of a steady load in busybox's shell, as in the sample's image, against a server on the loopback."""

import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live.kubeconfig import ClusterAccess
from live.load import steady
from live.load.client import LoadError
from live.load.steady import steady_requests

ACCESS = ClusterAccess("cluster1", {})
pytestmark = pytest.mark.skipif(
    not (shutil.which("busybox") and shutil.which("curl")), reason="busybox and curl of the sample's image are needed"
)


class Hello(http.server.BaseHTTPRequestHandler):
    """Answers for cluster1 and cluster2 by turns, and fails each fifth request."""

    def do_GET(self) -> None:
        number = int(self.path.rpartition("n=")[2])
        status = 503 if number % 5 == 0 else 200
        cluster = number % 2 + 1
        body = f"Hello version: v{cluster}, cluster: cluster{cluster}, instance: x\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"no healthy\nupstream" if status == 503 else body.encode())
        self.server.connections.add(self.client_address)  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.connections = set()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's busybox instead of a pod's shell."""

    def run(access: ClusterAccess, pod: Any, script: str, seconds: float) -> str:
        command = ["busybox", "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 10).stdout

    pod = SimpleNamespace(metadata=SimpleNamespace(name="sleep-1"))
    monkeypatch.setattr(steady, "load_pod", lambda *_: pod)
    monkeypatch.setattr(steady, "run_in", run)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("workers", [1, 3])
def test_every_request_is_counted_by_who_answered_it_and_failures_keep_time_and_text(server: Any, workers: int) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/hello"
    before = int(time.time())
    with steady_requests(ACCESS, "sample", 60, per_second=60, workers=workers, url=url) as load:
        load.wait_for(40, 20)
        assert load.sent() >= 40
    result = load.result()
    rounds = 60 // workers
    assert result.sent == len(server.connections)
    assert result.sent % rounds == 0
    assert result.failed == result.sent // 5
    assert sum(result.answers.values()) == sum(result.versions.values()) == result.sent - result.failed
    assert result.answers["cluster1"] == result.answers["cluster2"] == result.versions["v1"]
    assert 0 < result.longest < 5
    assert len(result.listed) == result.failed
    assert before <= result.listed[0].at <= result.listed[-1].at <= time.time()
    assert {each.text.rpartition(" ")[0] for each in result.listed} == {"no healthy upstream 503"}


@pytest.mark.usefixtures("here")
def test_a_server_that_does_not_answer_is_told_in_the_words_of_curl() -> None:
    with steady_requests(ACCESS, "sample", 60, per_second=5, url="http://127.0.0.1:1/hello") as load:
        load.wait_for(1, 2)
    assert load.result().failed == load.result().sent > 0
    assert "000" in load.result().failures[0]
    assert "Failed to connect to 127.0.0.1 port 1" in load.result().failures[0]


@pytest.mark.usefixtures("here")
def test_a_load_ends_by_itself_and_its_counts_stay(server: Any) -> None:
    url = f"http://127.0.0.1:{server.server_address[1]}/hello"
    with steady_requests(ACCESS, "sample", 1, per_second=20, url=url) as load:
        time.sleep(3)
        sent = len(server.connections)
        time.sleep(1)
        assert len(server.connections) == sent
        assert load.result().sent == sent


@pytest.mark.usefixtures("here")
def test_a_load_whose_pod_is_another_one_now_is_no_result(tmp_path: Path) -> None:
    pod = SimpleNamespace(metadata=SimpleNamespace(name="sleep-1"))
    lost = steady.SteadyLoad(ACCESS, pod, f"{tmp_path}/load", 1)
    with pytest.raises(LoadError, match="load of cluster1 broke off: its pod sleep-1"):
        lost.result()
