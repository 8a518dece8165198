"""Pods of the gateway that no istiod has, as istiods' own lists and the pods' logs show them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from health.observed import (
    CutOff,
    EastWestGateway,
    GatewayPod,
    Istiod,
    ObservedCluster,
    ProxySync,
    RemoteCluster,
    Unknown,
)
from live.kubeconfig import ClusterAccess
from live.observed import cut_off
from live.pods.port import PodPortError

ACCESS = ClusterAccess("cluster1", {})
LOG = "\n".join(
    "2026-12-01T00:00:00Z\t" + line
    for line in (
        "warn\txdsproxy\tupstream terminated with status rpc error: certificate is not valid",
        "warning\tenvoy config\tStreamAggregatedResources gRPC config stream to xds-grpc closed: 14,  x509",
        "warning\tenvoy http\tsomething else",
        "info\txdsproxy\tconnecting to istiod",
    )
)


def proxies(*names: str) -> tuple[ProxySync, ...]:
    """What an istiod lists."""
    return tuple(ProxySync(f"{name}.istio-system", "cluster1", "router", "1.30.5", {}) for name in names)


def istiod(*names: str, pod: str = "istiod", answers: bool = True) -> Istiod:
    """An istiod with these gateways."""
    remotes = (RemoteCluster("cluster1", "", "synced"),) if answers else ()
    return Istiod(pod, True, remotes=remotes, proxies=proxies(*names))


def having(*pods: GatewayPod) -> ObservedCluster:
    """A cluster whose gateway has these pods."""
    return ObservedCluster("cluster1", "v1", gateway=EastWestGateway("LoadBalancer", (), (), None, pods=pods))


A, B, STARTING = GatewayPod("a", True), GatewayPod("b", True), GatewayPod("c", False)
OTHER = GatewayPod("d", True, proxy=False)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets istiods answer so when they are asked once more, one answer after the other."""
    monkeypatch.setattr(cut_off, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(cut_off, "RECONNECT_SECONDS", 0.05)

    def saying(*answers: list[str] | PodPortError) -> None:
        rest = list(answers)

        class Debug:
            def json(self, _: str) -> Any:
                said = rest.pop(0) if len(rest) > 1 else rest[0]
                if isinstance(said, PodPortError):
                    raise said
                return [{"proxy": f"{name}.istio-system"} for name in said]

        @contextmanager
        def connected(*_: object) -> Iterator[Debug]:
            yield Debug()

        monkeypatch.setattr(cut_off, "pod_http", connected)

    return saying


def test_pods_that_any_istiod_has_that_are_not_ready_or_no_proxies_are_not_waited_for() -> None:
    assert cut_off.read(ACCESS, having(A, B, STARTING, OTHER), (istiod("a"), istiod("b"))) == ()
    assert cut_off.read(ACCESS, ObservedCluster("cluster1", "v1", gateway=None), (istiod(),)) == ()


def test_a_pod_that_comes_back_in_a_moment_is_not_cut_off(later: Callable[..., None]) -> None:
    later([], ["a", "b"])
    assert cut_off.read(ACCESS, having(A, B), (istiod("a"),)) == ()


def test_a_pod_that_stays_away_is_told_with_the_last_warning_about_istiod(
    later: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    later(["a"])
    monkeypatch.setattr(cut_off, "_log", lambda *_: LOG)
    said = "StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, x509"
    (found,) = cut_off.read(ACCESS, having(A, B), (istiod("a"),))  # type: ignore[misc]
    assert (found.pod, found.said.endswith(said)) == ("b", True)
    monkeypatch.setattr(cut_off, "_log", lambda *_: "")
    assert cut_off.read(ACCESS, having(A, B), (istiod("a"),)) == (CutOff("b"),)


def test_what_an_istiod_does_not_say_is_unknown(later: Callable[..., None]) -> None:
    found = cut_off.read(ACCESS, having(A), (istiod("b"), istiod(pod="mute", answers=False)))
    assert found == Unknown("istiod pod mute does not say which proxies it has")
    starting = replace(istiod(pod="starting", answers=False), ready=False)
    assert cut_off.read(ACCESS, having(A), (istiod("a"), starting)) == ()
    assert cut_off.read(ACCESS, having(A), (starting,)) == Unknown("no istiod is ready")
    later(PodPortError("istiod does not answer", 500))
    assert cut_off.read(ACCESS, having(A), (istiod(),)) == Unknown("istiod does not answer", 500)
    assert cut_off.read(ACCESS, having(A), Unknown("forbidden")) == Unknown("forbidden")
    assert cut_off.read(ACCESS, ObservedCluster("cluster1", "v1", gateway=Unknown("gone")), ()) == Unknown("gone")
