"""A gateway that does not know the probe's Service yet is asked again; one that never does is told of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from live.kubeconfig import ClusterAccess
from live.probe import handshakes as module
from live.probe.handshakes import CLOSED, handshakes
from live.probe.site import Site

ACCESS = ClusterAccess("cluster1", {"clusters": [{"cluster": {"server": "https://203.0.113.11:6443"}}]})
TUNNEL = 15101


class Gateway:
    """A gateway that closes so many handshakes before it shows a certificate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, closes: int) -> None:
        self.closes, self.tried = closes, 0
        monkeypatch.setattr(module, "pod_socket", self.connected)
        monkeypatch.setattr(module, "_counts", lambda *_: {"upstream_cx_total": self.tried})
        monkeypatch.setattr(module, "POLL_SECONDS", 0)

    @contextmanager
    def connected(self, *_: Any) -> Iterator["Gateway"]:
        self.tried += 1
        yield self

    def settimeout(self, seconds: float) -> None:
        """As a socket."""

    def sendall(self, data: bytes) -> None:
        """As a socket."""

    def recv(self, size: int) -> bytes:
        # Not TLS at all: where the gateway answers, the handshake fails for another reason.
        return b"" if self.tried <= self.closes else b"HTTP/1.1 400 Bad Request\r\n\r\n"


def answer(site: Site) -> str:
    [found] = handshakes(site)
    return found.reason


@pytest.fixture
def site() -> Site:
    return Site(ACCESS, "10.0.0.1", {TUNNEL: ("cluster2", "203.0.113.80")})


def test_it_is_asked_again_until_it_knows_the_name(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    gateway = Gateway(monkeypatch, closes=3)
    assert answer(site).startswith("TLS failed")
    assert gateway.tried == 4


def test_one_that_never_knows_it_is_told_of_once_the_time_is_over(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.05)
    gateway = Gateway(monkeypatch, closes=10**6)
    assert answer(site) == CLOSED
    assert gateway.tried > 1
