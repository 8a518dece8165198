"""Answers and the proxy's own counts become cells: which cluster, over which hop, proved by whom."""

from typing import Any

from live.probe.asking import Answer, identities
from live.probe.hosts import Host, read_hosts
from live.probe.matrix import Places, cells
from topology import load_mesh

MESH = load_mesh(
    {
        "clusters": [
            {"name": name, "network": network, "apiServer": f"https://198.51.100.1{number}:6443"}
            for number, (name, network) in enumerate(
                [("cluster1", "network1"), ("cluster2", "network2"), ("cluster3", "network2")], start=1
            )
        ]
    }
)
PODS = {"cluster1": "10.244.0.7", "cluster2": "10.244.0.7", "cluster3": "10.245.0.9"}
GATEWAYS = {"cluster1": ["198.51.100.64"], "cluster2": ["198.51.100.80"], "cluster3": ["198.51.100.96"]}
SPIFFE = "spiffe://cluster.local/ns/spanmesh-probe/sa/probe"


def places(client: str, **gateways: list[str]) -> Places:
    """Whose the hosts of this cluster's client are."""
    return Places(MESH, client, PODS, {**GATEWAYS, **gateways})


def test_the_same_pod_address_in_another_network_is_ones_own() -> None:
    assert places("cluster1").of("10.244.0.7") == ("cluster1", False)
    assert places("cluster2").of("10.244.0.7") == ("cluster2", False)


def test_pods_of_the_same_network_and_gateways_are_told_apart() -> None:
    assert places("cluster2").of("10.245.0.9") == ("cluster3", False)
    assert places("cluster1").of("198.51.100.96") == ("cluster3", True)


def test_a_raw_pod_address_of_another_network_is_known_for_what_it_is() -> None:
    assert places("cluster1").of("10.245.0.9") == ("cluster3", False)


def test_an_unknown_address_is_that_of_the_one_gateway_that_has_a_name_only() -> None:
    assert places("cluster1", cluster2=["lb.example.com"]).of("203.0.113.9") == ("cluster2", True)
    assert places("cluster1").of("203.0.113.9") == ("", False)
    both = places("cluster1", cluster2=["lb2.example.com"], cluster3=["lb3.example.com"])
    assert both.of("203.0.113.9") == ("", False)


def test_counts_are_those_since_the_requests_began() -> None:
    before = {"198.51.100.80:15443": Host("198.51.100.80", 15443, 0, 7, 2, 1)}
    after = {
        "10.244.0.7:8080": Host("10.244.0.7", 8080, 0, 2, 1, 0),
        "198.51.100.80:15443": Host("198.51.100.80", 15443, 1, 10, 4, 1),
        "198.51.100.96:15443": Host("198.51.100.96", 15443, 1, 0, 0, 0),
    }
    answers = [
        Answer(0, "cluster1", "probe", 2.0, SPIFFE, SPIFFE),
        Answer(0, "cluster2", "probe", 8.0, SPIFFE, SPIFFE),
        Answer(0, "cluster2", "probe", 9.0, "", SPIFFE),
        Answer(0, failure="503 no healthy upstream"),
    ]

    found = cells(answers, before, after, places("cluster1"))

    assert found["cluster1"].hops == {"10.244.0.7:8080": 2}
    second = found["cluster2"]
    assert second.milliseconds == (8.0, 9.0)
    assert second.hops == {"198.51.100.80:15443": 3}
    assert second.gateways == frozenset(second.hops)
    assert (second.connections, second.refused, second.priority) == (2, 0, 1)
    assert second.server == SPIFFE
    assert second.client == ""  # one answer without an identity is one too many
    assert (found["cluster3"].answers, found["cluster3"].hops, found["cluster3"].priority) == (0, {}, 1)


def test_hosts_of_the_probes_service_are_read_with_their_counts() -> None:
    def host(address: str, priority: int, **stats: int) -> dict[str, Any]:
        # Envoy leaves out what is zero.
        return {
            "address": {"socket_address": {"address": address, "port_value": 15443}},
            "stats": [{"name": name, "value": str(value)} for name, value in stats.items()] + [{"name": "rq_error"}],
            **({"priority": priority} if priority else {}),
        }

    name = "outbound|8080||probe.spanmesh-probe.svc.mesh.example"
    document = {
        "cluster_statuses": [
            {"name": "outbound|80||probe.other.svc.mesh.example", "host_statuses": [host("192.0.2.1", 0)]},
            {"name": name, "host_statuses": [host("198.51.100.80", 1, rq_total=5, cx_total=3, cx_connect_fail=2)]},
        ]
    }

    assert read_hosts(document) == {"198.51.100.80:15443": Host("198.51.100.80", 15443, 1, 5, 3, 2)}


def test_the_nearest_proxys_word_of_identities_counts() -> None:
    forwarded = (
        f'By=spiffe://forged;Hash=00;URI=spiffe://forged,By={SPIFFE};Hash=ab;Subject="";'
        "URI=spiffe://cluster.local/ns/a/sa/b"
    )

    assert identities(forwarded) == {"By": SPIFFE, "URI": "spiffe://cluster.local/ns/a/sa/b"}
    assert identities("") == {}
