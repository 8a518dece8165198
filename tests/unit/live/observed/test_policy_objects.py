"""Policy that a cluster holds, and the Gateways in it that no pod serves."""

from live.client import api_client
from live.observed import policy_objects
from live.observed.asked import Asked
from tests.unit.live.observed.test_workloads import MESH
from tests.unit.live.policy.api_server import istio_cluster
from tests.unit.live.policy.objects import istio


def test_a_gateway_is_idle_where_no_pod_has_all_labels_of_its_selector() -> None:
    cluster = istio_cluster()
    v1 = "/apis/networking.istio.io/v1"
    cluster.answers[v1]["resources"].append({"name": "gateways", "kind": "Gateway", "namespaced": True})
    cluster.answers[f"{v1}/gateways"] = [
        istio("Gateway", "served", {"selector": {"istio": "edge"}}),
        istio("Gateway", "idle", {"selector": {"istio": "edge", "tier": "two"}}),
        istio("Gateway", "everywhere", {}),
    ]
    cluster.answers["/api/v1/pods"] = [{"metadata": {"name": "edge", "labels": {"istio": "edge"}}}]
    with cluster.access("cluster1") as access, api_client(access) as api:
        found = policy_objects.read(Asked(MESH, access, api))
    assert found.idle_gateways == {"shop/idle": "istio=edge,tier=two"}
    assert found.objects == ()
