"""Regions on one network reach each other's pods directly; nobody else reaches them."""

from collections.abc import Iterator

import pytest

from lab import Lab, LabError
from tests.lab.kubectl import Kubectl, eventually, in_machine, web_server

pytestmark = pytest.mark.lab

ALONE, FLAT, PEER = "cluster1", "cluster2", "cluster3"
# Answers with the address from which it was asked, as [::ffff:10.244.0.5].
WHO_ASKS = "mkdir -p /tmp/www/cgi-bin && printf '#!/bin/sh\\necho; echo from $REMOTE_ADDR' > /tmp/www/cgi-bin/who"


class Pods:
    """A server in each cluster that tells a client the client's own address."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kubectl = {cluster: Kubectl.of(lab, cluster) for cluster in (ALONE, FLAT, PEER)}
        server = web_server("who", "hello")
        (container,) = server["spec"]["containers"]
        container["command"][-1] = f"{WHO_ASKS} && chmod +x /tmp/www/cgi-bin/who && {container['command'][-1]}"
        for kubectl in self.kubectl.values():
            kubectl.apply(server)
        for kubectl in self.kubectl.values():
            kubectl("wait", "--for=condition=Ready", "pod/who", "--timeout=90s")
        self.address = {name: kubectl.get("pod", "who")["status"]["podIP"] for name, kubectl in self.kubectl.items()}

    def ask(self, cluster: str, address: str) -> str:
        """The answer that the pod of one cluster gets from a pod's address."""
        command = f"curl -s -m 2 http://{address}:8080/cgi-bin/who || true"
        return self.kubectl[cluster]("exec", "who", "--", "sh", "-c", command).strip()

    def remove(self) -> None:
        for kubectl in self.kubectl.values():
            kubectl("delete", "pod", "who", "--now")


@pytest.fixture(scope="module")
def pods(three_regions: Lab) -> Iterator[Pods]:
    found = Pods(three_regions)
    yield found
    found.remove()


def test_only_regions_on_one_network_have_different_pod_ranges(three_regions: Lab) -> None:
    alone, flat, peer = three_regions.regions
    assert alone.pod_network == flat.pod_network
    assert not flat.pod_network.overlaps(peer.pod_network)
    said = {region.cluster: region.network for region in three_regions.status().regions}
    assert said == {ALONE: "network1", FLAT: "network2", PEER: "network2"}


@pytest.mark.parametrize(("asking", "asked"), [(FLAT, PEER), (PEER, FLAT)])
def test_pods_on_one_network_reach_each_other_under_their_own_addresses(pods: Pods, asking: str, asked: str) -> None:
    assert eventually(lambda: f":{pods.address[asking]}]" in pods.ask(asking, pods.address[asked]))


def test_nobody_outside_the_network_reaches_its_pods(pods: Pods) -> None:
    address = pods.address[PEER]
    assert pods.ask(FLAT, address).startswith("from"), "it has to answer on its own network"
    assert pods.ask(ALONE, address) == ""
    for machine in ("cn-north-4-node1", "cn-north-4-router", "outside"):
        answer = in_machine(pods.lab, machine, "curl", "-s", "-m", "2", f"http://{address}:8080/cgi-bin/who").stdout
        assert answer == ""


def test_a_region_that_is_up_cannot_be_put_on_another_network(three_regions: Lab) -> None:
    with pytest.raises(LabError, match="cannot be put on one with"):
        three_regions.up(flat=[(ALONE, FLAT)])
    assert three_regions.status().healthy
