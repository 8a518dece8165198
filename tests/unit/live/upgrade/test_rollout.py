"""When a rollout is through, and what cannot be restarted."""

from typing import Any

import pytest

from live.upgrade.proxies import Workload
from live.upgrade.rollout import restart, unfinished, why_not_restartable
from tests.unit.live.policy.api_server import FakeApiServer

DEPLOYMENT = {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
DAEMON_SET = {"observedGeneration": 4, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


def found(kind: str, status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 4}, "spec": {"replicas": 2}, "status": status}


@pytest.mark.parametrize(
    ("kind", "status", "lacks"),
    [
        ("Deployment", DEPLOYMENT, ""),
        ("Deployment", {**DEPLOYMENT, "observedGeneration": 3}, "has not seen"),
        ("Deployment", {**DEPLOYMENT, "updatedReplicas": 1}, "1 of 2 pods are new"),
        ("Deployment", {**DEPLOYMENT, "replicas": 3}, "1 old pods"),
        ("Deployment", {**DEPLOYMENT, "availableReplicas": 1}, "1 of 2 new pods are available"),
        ("StatefulSet", DEPLOYMENT, ""),
        ("StatefulSet", {**DEPLOYMENT, "updatedReplicas": 0}, "0 of 2"),
        ("DaemonSet", DAEMON_SET, ""),
        ("DaemonSet", {**DAEMON_SET, "numberAvailable": 2}, "2 of 3 new pods are available"),
        ("DaemonSet", {**DAEMON_SET, "updatedNumberScheduled": 1}, "1 of 3 pods are new"),
    ],
)
def test_a_rollout_is_through_when_every_pod_is_new_and_available(kind: str, status: Any, lacks: str) -> None:
    said = unfinished(found(kind, status))
    assert lacks in said if lacks else not said


def test_what_a_restart_would_not_reach_says_why() -> None:
    deployment, pod, other = (Workload("shop", kind, "cart") for kind in ("Deployment", "Pod", "Rollout"))
    assert not why_not_restartable(deployment, {"spec": {}})
    assert "paused" in why_not_restartable(deployment, {"spec": {"paused": True}})
    on_delete = {"spec": {"updateStrategy": {"type": "OnDelete"}}}
    assert "OnDelete" in why_not_restartable(Workload("shop", "StatefulSet", "db"), on_delete)
    assert "anew" in why_not_restartable(pod, None)
    assert "Rollout" in why_not_restartable(other, None)


def test_a_restart_changes_the_pod_templates_annotation_only() -> None:
    server = FakeApiServer()
    with server.access("cluster1") as access:
        restart(access, Workload("shop", "Deployment", "cart"))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/cart")
    annotations = asked.body["spec"]["template"]["metadata"]["annotations"]
    assert asked.body == {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    assert list(annotations) == ["kubectl.kubernetes.io/restartedAt"]
