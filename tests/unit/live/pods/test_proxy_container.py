"""Which container of a pod is its proxy, and whether that runs."""

from typing import Any

import pytest

from live.pods.proxy_container import proxy_container, proxy_runs

RUNNING = {"running": {"startedAt": "2026-11-23T10:00:00Z"}}


def pod(containers: str = "containers", statuses: str = "containerStatuses", **state: Any) -> dict[str, Any]:
    """A pod with a proxy among those containers."""
    spec: dict[str, Any] = {"containers": [{"name": "app", "image": "app:1"}]}
    spec[containers] = [*spec.get(containers, ()), {"name": "istio-proxy", "image": "proxyv2:1"}]
    return {"spec": spec, "status": {statuses: [{"name": "app", "state": RUNNING}, {"name": "istio-proxy", **state}]}}


NATIVE = ("initContainers", "initContainerStatuses")


@pytest.mark.parametrize("where", [(), NATIVE], ids=["beside the application", "native"])
def test_a_sidecar_is_found_and_runs_while_its_container_does(where: tuple[str, ...]) -> None:
    assert proxy_container(pod(*where)) == {"name": "istio-proxy", "image": "proxyv2:1"}
    assert proxy_runs(pod(*where, state=RUNNING))
    assert not proxy_runs(pod(*where, state={"terminated": {"exitCode": 0}}))
    assert not proxy_runs(pod(*where)), "kubelet has said nothing of it yet"


def test_a_pod_without_one_has_none() -> None:
    plain = {"spec": {"containers": [{"name": "app"}], "initContainers": None}}
    assert proxy_container(plain) is None
    assert not proxy_runs(plain)
