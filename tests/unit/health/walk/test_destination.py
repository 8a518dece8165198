"""Where a cluster of the client's proxy leads to, and why it may lead nowhere."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from envoy.cluster import UpstreamTls
from envoy.endpoint import Endpoint
from health.check import State
from health.walk.destination import Reached, misplaced, reach, security
from health.walk.facts import Port, Proxy, Service, Site, Unread
from tests.unit.envoy.recordings import CLUSTER, HOST
from tests.unit.health.walk.sites import GATEWAYS, HERE, SERVER, THERE, client, subsets, with_cluster

V2 = f"outbound|5000|v2|{HOST}"
ISTIO = {"tlsMode": "istio"}
GATEWAY = Endpoint("198.51.100.80", 15443, labels=ISTIO, cluster="cluster2")


def reached(proxy: Proxy, name: str = CLUSTER, here: Site = HERE, others: Sequence[Site] = (THERE,)) -> Reached:
    return reach(name, proxy, here, others, GATEWAYS)


def code(found: Reached) -> str | None:
    return found.step.cause.code if found.step.cause else None


def test_a_gateway_and_a_pod_are_two_ways() -> None:
    found = reached(client())
    assert [(str(way.endpoint), way.gateway and way.gateway.cluster) for way in found.ways] == [
        ("198.51.100.80:15443", "cluster2"),
        ("10.244.0.6:5000", None),
    ]
    assert found.beside == ()
    assert (
        "gateway of cluster2 (network2), cn-east-3/cn-east-3a, priority 0 (100% of requests)" in found.step.details[0]
    )


def test_a_gateway_by_a_name_that_istiod_resolved_is_told_by_its_port() -> None:
    found = reach(CLUSTER, client(), HERE, [THERE], [])
    assert found.ways[0].gateway is not None
    assert found.ways[0].gateway.cluster == "cluster2"


def test_pods_alike_are_one_way() -> None:
    pods = [Endpoint(f"10.244.0.{n}", 5000, labels=ISTIO, workload="v1", namespace="sample") for n in range(3)]
    found = reached(with_cluster(client(), CLUSTER, *pods))
    assert [way.alike for way in found.ways] == [2]


def test_a_subset_without_rule_names_the_cluster_that_has_one() -> None:
    there = replace(THERE, policies=(subsets("hello", "v2"),))
    found = reached(client(), V2, others=(there,))
    assert code(found) == "SM715"
    assert found.step.cure == "Mirror DestinationRule sample/hello (policies/hello.yaml) to cluster1"


def nobody(name: str, here: Site, there: Site) -> tuple[str | None, str]:
    found = reached(with_cluster(client(), name), name, here, (there,))
    return code(found), found.step.message


def test_no_endpoint_says_of_each_cluster_why() -> None:
    none = replace(HERE, pods=())
    assert nobody(CLUSTER, none, replace(THERE, service=None)) == (
        "SM716",
        f"{CLUSTER} has no endpoint: in cluster1 the Service selects no pod (app=helloworld); "
        "cluster2 has no such Service",
    )
    unready = replace(THERE, pods=(replace(SERVER, ready=False),))
    assert "in cluster2 no pod is ready (sample/helloworld-v2-1)" in nobody(CLUSTER, none, unready)[1]
    assert "cluster2 cannot be read" in nobody(CLUSTER, none, replace(THERE, service=Unread("timeout")))[1]


def test_labels_of_a_subset_that_no_pod_has_are_named() -> None:
    here = replace(HERE, policies=(subsets("hello", "v9"),))
    found, said = nobody(f"outbound|5000|v9|{HOST}", here, THERE)
    assert found == "SM716"
    assert "no pod of the Service in cluster2 has subset v9's labels (version=v9)" in said


def test_another_port_name_in_the_serving_cluster_is_named() -> None:
    renamed = Service("sample", "helloworld", (), (Port("web", 5000, 5000),), {"app": "helloworld"})
    found, said = nobody(CLUSTER, replace(HERE, pods=()), replace(THERE, service=renamed))
    assert found == "SM716"
    assert "port 5000 is called 'web' in cluster2 and 'http' in cluster1" in said


def test_servers_without_sidecar_on_another_network_are_the_cause_and_on_the_own_one_are_not() -> None:
    bare = replace(THERE, pods=(replace(SERVER, sidecar=False),))
    none = replace(HERE, pods=())
    assert nobody(CLUSTER, none, bare)[0] == "SM721"
    assert nobody(CLUSTER, none, replace(bare, network="network1"))[0] == "SM716"


def test_servers_without_sidecar_beside_others_are_a_warning() -> None:
    bare = replace(THERE, pods=(replace(SERVER, sidecar=False),))
    pod = Endpoint("10.244.0.6", 5000, labels=ISTIO, workload="helloworld-v1", cluster="cluster1")
    found = reached(with_cluster(client(), CLUSTER, pod), others=(bare,))
    assert [(step.cause.code if step.cause else None, step.state) for step in found.beside] == [
        ("SM721", State.WARNING)
    ]
    assert len(found.ways) == 1


def test_ejected_endpoints_are_not_taken_for_missing_ones() -> None:
    ejected = replace(GATEWAY, failing=("failed_outlier_check",))
    found = reached(with_cluster(client(), CLUSTER, ejected))
    assert code(found) == "SM717"
    assert "no requests" in found.step.details[0]
    assert "failed_outlier_check" in found.step.details[0]


def test_a_standby_locality_is_shown_and_not_walked() -> None:
    standby = replace(GATEWAY, priority=1)
    pod = Endpoint("10.244.0.6", 5000, labels=ISTIO, workload="helloworld-v1", cluster="cluster1")
    found = reached(with_cluster(client(), CLUSTER, pod, standby))
    assert len(found.ways) == 1
    assert "priority 1 (0% of requests)" in found.step.details[1]


def test_a_raw_pod_address_of_another_network_is_named() -> None:
    raw = Endpoint("10.244.0.4", 5000, labels=ISTIO, workload="helloworld-v2", cluster="cluster2")
    (way,) = reached(with_cluster(client(), CLUSTER, raw)).ways
    step = misplaced(way, HERE, (HERE, THERE))
    assert step is not None
    assert step.cause is not None
    assert step.cause.code == "SM718"
    assert misplaced(way, HERE, (HERE, replace(THERE, network="network1"))) is None


@pytest.mark.parametrize(
    ("tls", "labels", "expected"),
    [
        (UpstreamTls(f"outbound_.5000_._.{HOST}", (), ("istio",), "default", "ROOTCA"), ISTIO, None),
        (UpstreamTls("www.example.com", (), (), "", ""), ISTIO, "SM720"),
        (None, {}, "SM720"),
    ],
)
def test_a_gateway_takes_istios_mutual_tls_only(
    tls: UpstreamTls | None, labels: dict[str, str], expected: str | None
) -> None:
    (way,) = reached(with_cluster(client(), CLUSTER, replace(GATEWAY, labels=labels), tls=tls)).ways
    step = security(way, HOST, HERE, ())
    assert (step.cause.code if step.cause else None) == expected
