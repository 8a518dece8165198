"""A sidecar's, a gateway's and a server's configuration, as the lab's proxies gave it."""

from pathlib import Path

import pytest

from envoy.cluster import Subset, subset_of
from envoy.config_dump import read_config_dump
from envoy.endpoint import Endpoint, judged, read_hosts, shares
from envoy.listener import Authorization, read_listener
from envoy.origin import Origin
from tests.unit.envoy.recordings import CLUSTER, FOLDER, HOST, SNI, config, document


@pytest.mark.parametrize(
    ("name", "pod", "cluster", "network"),
    [
        ("client", "sleep-", "cluster1", "network1"),
        ("gateway", "istio-eastwestgateway-", "cluster2", "network2"),
        ("server", "helloworld-v2-", "cluster2", "network2"),
    ],
)
def test_a_proxy_says_who_it_is(name: str, pod: str, cluster: str, network: str) -> None:
    node = config(name).node
    assert node.pod.startswith(pod)
    assert (node.cluster, node.network, node.version) == (cluster, network, "1.32-dev")


def test_endpoints_have_locality_cluster_and_whether_they_are_a_workload() -> None:
    gateway, pod = config("client").endpoints_of(CLUSTER)
    assert (str(gateway), gateway.locality, gateway.cluster, gateway.workload) == (
        "198.51.100.80:15443",
        "cn-east-3/cn-east-3a",
        "cluster2",
        "",
    )
    assert (pod.workload, pod.namespace, pod.cluster, pod.healthy) == ("helloworld-v1", "sample", "cluster1", True)


def test_a_sidecar_speaks_mutual_tls_to_endpoints_with_a_sidecar_and_plain_text_to_others() -> None:
    cluster = config("client").clusters[CLUSTER]
    tls = cluster.tls_to({"tlsMode": "istio"})
    assert tls is not None
    assert (tls.sni, tls.istio_mutual) == (SNI, True)
    assert tls.sans == (("exact", "spiffe://cluster.local/ns/sample/sa/default"),)
    assert cluster.tls_to({}) is None


def test_a_cluster_names_the_destination_rule_it_was_made_with() -> None:
    rule = Origin("networking.istio.io", "DestinationRule", "sample", "helloworld-connections")
    assert config("client").clusters[CLUSTER].origin == rule
    assert str(rule) == "DestinationRule sample/helloworld-connections"


def test_a_gateway_has_a_chain_for_each_server_name_that_it_knows_and_none_for_others() -> None:
    listener = config("gateway").listeners["0.0.0.0_15443"]
    chain = listener.chain_of_sni(SNI)
    assert chain is not None
    assert (chain.cluster, chain.tls) == (SNI, None)
    assert listener.chain_of_sni(f"outbound_.5000_.v2_.{HOST}") is None


def test_a_server_takes_mutual_tls_and_plain_text_at_its_port() -> None:
    chains = [c for c in config("server").listeners["virtualInbound"].chains if c.port == 5000]
    assert [(c.transport, c.tls is not None and c.tls.client_certificate) for c in chains] == [
        ("tls", True),
        ("raw_buffer", False),
    ]
    assert all(c.http and c.access_log for c in chains)


def test_certificates_are_read_and_no_recording_holds_a_key() -> None:
    found = config("client").certificates
    assert [c.subject.rfc4514_string() for c in found.chain[1:2]] == ["CN=Intermediate CA cluster1,O=Istio,L=cluster1"]
    assert {c.subject.rfc4514_string() for c in found.roots} == {"CN=Root CA,O=Istio"}
    for path in sorted(Path(FOLDER).glob("*.json")):
        assert "private_key" not in path.read_text()


def test_what_a_proxy_refuses_is_told_with_its_reason() -> None:
    refused = {"name": "0.0.0.0_80", "error_state": {"details": "duplicate filter chain"}}
    part = {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [refused]}
    assert read_config_dump({"configs": [part]}).rejected == ("0.0.0.0_80: duplicate filter chain",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (CLUSTER, Subset("outbound", 5000, "", HOST)),
        (f"outbound|80|v1|{HOST}", Subset("outbound", 80, "v1", HOST)),
        (SNI, Subset("outbound", 5000, "", HOST)),
        (f"outbound_.80_.v1_.{HOST}", Subset("outbound", 80, "v1", HOST)),
        ("inbound|5000||", Subset("inbound", 5000, "", "")),
        ("PassthroughCluster", None),
    ],
)
def test_the_name_of_a_cluster_is_taken_apart(name: str, said: Subset | None) -> None:
    assert subset_of(name) == said


def test_a_subset_has_the_server_name_that_gateways_know_it_by() -> None:
    assert Subset("outbound", 5000, "", HOST).sni == SNI
    assert Subset("outbound", 5000, "v2", HOST).sni == f"outbound_.5000_.v2_.{HOST}"


def test_an_endpoint_that_the_proxy_ejected_takes_nothing() -> None:
    given = config("client").endpoints_of(CLUSTER)
    hosts = document("client-clusters")
    hosts["cluster_statuses"][0]["host_statuses"][0]["health_status"]["failed_outlier_check"] = True
    seen = judged(given, read_hosts(hosts)[CLUSTER])
    assert [(each.healthy, each.failing) for each in seen] == [(False, ("failed_outlier_check",)), (True, ())]


@pytest.mark.parametrize(
    ("healths", "expected"),
    [
        ([(0, True), (1, True)], {0: 1.0}),
        ([(0, False), (1, True)], {1: 1.0}),
        ([(0, True), (0, False), (1, True)], {0: 0.7, 1: 0.3}),
        ([(0, False), (1, False)], {}),
    ],
)
def test_requests_spill_to_the_next_priority_as_health_goes(
    healths: list[tuple[int, bool]], expected: dict[int, float]
) -> None:
    endpoints = [
        Endpoint(f"10.0.0.{n}", 80, priority=priority, eds_health="HEALTHY" if healthy else "UNHEALTHY")
        for n, (priority, healthy) in enumerate(healths)
    ]
    assert shares(endpoints) == pytest.approx(expected)


# As istiod writes `spec: {}`, a policy of paths, and `action: DENY` with an empty rule.
NEVER = {"permissions": [{"not_rule": {"any": True}}], "principals": [{"not_id": {"any": True}}]}
PATHS = {
    "permissions": [{"and_rules": {"rules": [{"url_path": {"path": {"exact": "/a"}}}]}}],
    "principals": [{"and_ids": {"ids": [{"any": True}]}}],
}
ALL = {
    "permissions": [{"and_rules": {"rules": [{"any": True}]}}],
    "principals": [{"and_ids": {"ids": [{"any": True}]}}],
}


@pytest.mark.parametrize(
    ("action", "policy", "refuses"),
    [
        ("ALLOW", NEVER, True),
        ("ALLOW", PATHS, False),
        ("ALLOW", ALL, False),
        ("DENY", PATHS, False),
        ("DENY", ALL, True),
        ("LOG", ALL, False),
    ],
)
def test_an_authorization_that_nobody_passes_is_told_from_others(
    action: str, policy: dict[str, object], refuses: bool
) -> None:
    rules = {"action": action, "policies": {"ns[sample]-policy[p]-rule[0]": policy}}
    rbac = {"name": "envoy.filters.network.rbac", "typed_config": {"rules": rules}}
    (chain,) = read_listener({"name": "virtualInbound", "filter_chains": [{"filters": [rbac]}]}).chains
    assert chain.authorizations == (Authorization(action, ("ns[sample]-policy[p]-rule[0]",), refuses),)
