"""A gateway's pod and address lost, and istiod killed: what clients get meanwhile, and that it mends by itself."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

import pytest

from live.load.traffic import REQUEST_SECONDS
from live.pods.port import pod_http
from tests.lab.faults.findings import Findings, codes, wrong_with_proxies
from tests.lab.faults.under_load import shown, under_load
from tests.lab.kubectl import Kubectl, eventually, in_machine
from tests.lab.shared_mesh.mirrored import HOST, NAMESPACE, Mirrored

pytestmark = pytest.mark.lab

SYSTEM = ("-n", "istio-system")
SERVICE, DEPLOYMENT = "service/istio-eastwestgateway", "deployment/istio-eastwestgateway"
NOBODYS = "203.0.113.7"


def answered(mirrored: Mirrored, client: str, *servers: str) -> bool:
    """Whether just these clusters answer one's client, and no request fails."""
    result = mirrored.ask(10)[client]
    return set(result.answers) == set(servers) and not result.failures


def kill(kubectl: Kubectl, labels: str) -> None:
    """End pods as a node does that loses its power: with no time to drain."""
    kubectl(*SYSTEM, "delete", "pod", "-l", labels, "--force", "--grace-period=0")


def addresses(kubectl: Kubectl) -> list[str]:
    """The addresses that the cloud has given to the gateway's Service."""
    return [each["ip"] for each in kubectl.get(*SYSTEM, SERVICE)["status"]["loadBalancer"].get("ingress", [])]


@contextmanager
def wanted_address(kubectl: Kubectl) -> Iterator[None]:
    """The gateway's address may be wished for; the one that it has now is asked back."""
    (before,) = addresses(kubectl)
    try:
        yield
    finally:
        wish(kubectl, before)
        assert eventually(lambda: addresses(kubectl) == [before])
        wish(kubectl, None)


def wish(kubectl: Kubectl, address: str | None) -> None:
    """Ask the cloud for an address of the gateway."""
    kubectl(*SYSTEM, "patch", SERVICE, "--type=merge", "-p", json.dumps({"spec": {"loadBalancerIP": address}}))


def remote_endpoints(mirrored: Mirrored) -> set[str]:
    """Where the proxy of cluster1's client sends requests to helloworld, besides its own region's pods."""
    kubectl = mirrored.kubectl("cluster1")
    pods = kubectl.get("-n", NAMESPACE, "pods", "-l", "app=helloworld")["items"]
    local = {f"{pod['status']['podIP']}:5000" for pod in pods if "podIP" in pod["status"]}
    (client,) = kubectl.get("-n", NAMESPACE, "pods", "-l", "app=sleep")["items"]
    with pod_http(mirrored.accesses["cluster1"], client["metadata"]["name"], NAMESPACE, 15000) as http:
        said = http.text(f"/clusters?filter=outbound%7C5000%7C%7C{HOST}")
    return set(re.findall(rf"{HOST}::([0-9.]+:\d+)::hostname", said)) - local


def test_a_gateway_pod_that_is_killed_is_replaced_and_clients_wait_at_worst(mirrored: Mirrored) -> None:
    second = mirrored.kubectl("cluster2")
    with under_load(mirrored) as load:
        sleep(1)
        load.note("killed")
        # The only one: with two or more, which is the default, the others go on.
        kill(second, "istio=eastwestgateway")
        second(*SYSTEM, "rollout", "status", DEPLOYMENT, "--timeout=60s")
        sleep(1)
        load.note("ready")
        sleep(1)
    load.show("gateway pod of cluster2 killed")
    print(f"remote answers {load.again('cluster1', 'cluster2', 'killed'):.1f} s after the kill")  # noqa: T201
    # What waits for the only pod until its client gives up is lost; nothing later, and nothing that does not need it.
    late = [each for each in load.after("cluster1", "ready") if each.status != 200]
    assert late == [], shown(late)
    assert load.failures("cluster2") == []
    assert eventually(lambda: answered(mirrored, "cluster1", "cluster1", "cluster2"))


def test_requests_go_on_while_istiod_is_killed(mirrored: Mirrored) -> None:
    first = mirrored.kubectl("cluster1")
    with under_load(mirrored) as load:
        kill(first, "app=istiod")
        first(*SYSTEM, "rollout", "status", "deployment/istiod", "--timeout=60s")
        sleep(2)
    load.show("istiod of cluster1 killed")
    for name, result in load.results.items():
        assert load.failures(name) == []
        assert set(result.answers) == {"cluster1", "cluster2"}
    assert eventually(lambda: codes(mirrored) == set(), 60), codes(mirrored)


@contextmanager
def without_istiod(mirrored: Mirrored, cluster: str) -> Iterator[None]:
    """The pod of a cluster's gateway gets no answer of istiod for a while, and the istiod that it had ends."""
    kubectl = mirrored.kubectl(cluster)
    (region,) = [each for each in mirrored.lab.regions if each.cluster == cluster]
    (pod,) = kubectl.get(*SYSTEM, "pods", "-l", "istio=eastwestgateway")["items"]
    to = ("-s", pod["status"]["podIP"], "-p", "tcp", "--dport", "15012")
    rule = ("FORWARD", *to, "-j", "REJECT", "--reject-with", "tcp-reset")
    node = region.control_plane.machine
    assert in_machine(mirrored.lab, node, "iptables", "-w", "-I", *rule).returncode == 0
    try:
        kubectl(*SYSTEM, "rollout", "restart", "deployment/istiod")
        kubectl(*SYSTEM, "rollout", "status", "deployment/istiod", "--timeout=60s")
        yield
    finally:
        in_machine(mirrored.lab, node, "iptables", "-w", "-D", *rule)


def test_a_gateway_that_loses_istiod_passes_on_what_it_knows_and_is_named_until_it_is_back(mirrored: Mirrored) -> None:
    found: list[Findings] = []

    def named() -> bool:
        found.append(wrong_with_proxies(mirrored))
        return set(found[-1]) == {("SM664", "cluster2")}

    with under_load(mirrored, "cluster1") as load, without_istiod(mirrored, "cluster2"):
        assert eventually(named, 60), found[-1]
    load.show("gateway pod of cluster2 without istiod")
    assert load.failures("cluster1") == []
    assert set(load.results["cluster1"].answers) == {"cluster1", "cluster2"}
    # The agent's words, or Envoy's: what they tried, and what came of it.
    assert "15012" in found[-1]["SM664", "cluster2"].message, found[-1]
    assert eventually(lambda: wrong_with_proxies(mirrored) == {}, 120), wrong_with_proxies(mirrored)


def test_an_address_that_is_lost_or_changed_never_makes_clients_send_to_addresses_of_pods(mirrored: Mirrored) -> None:
    second = mirrored.kubectl("cluster2")
    (before,) = addresses(second)
    other = before.rpartition(".")[0] + f".{int(before.rpartition('.')[2]) + 7}"
    seen: set[str] = set()

    def now() -> set[str]:
        found = remote_endpoints(mirrored)
        seen.update(found)
        return found

    with wanted_address(second):
        # The cloud takes the address away and gives none.
        wish(second, NOBODYS)
        assert eventually(lambda: addresses(second) == [])
        assert eventually(lambda: ("SM641", "cluster2") in codes(mirrored)), codes(mirrored)
        now()
        with under_load(mirrored, "cluster1") as load:
            load.note("changed")
            wish(second, other)
            assert eventually(lambda: now() == {f"{other}:15443"})
            load.note("followed")
            # A request that still waits for the old address keeps its client until that gives up.
            sleep(REQUEST_SECONDS + 2)
        load.show("address of cluster2's gateway lost, then another")
        took = load.moments["followed"] - load.moments["changed"]
        print(f"the client's proxy has the new address {took:.1f} s after it was asked for")  # noqa: T201
        late = [each for each in load.after("cluster1", "followed") if each.status != 200]
        assert late == [], shown(late)
        assert "cluster2" in shown(load.after("cluster1", "followed"))
    # istiod keeps the last address that it knew: never the address of a pod, which would be somebody else's here.
    assert seen <= {f"{before}:15443", f"{other}:15443"}, seen
    assert eventually(lambda: now() == {f"{before}:15443"})
    assert eventually(lambda: codes(mirrored) == set()), codes(mirrored)
