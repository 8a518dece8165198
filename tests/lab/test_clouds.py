"""The lab's load balancers play clouds: what these refuse, whom they let in, and host names instead of addresses."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab
from lab.plan import OUTSIDE_ADDRESS
from tests.lab.balanced import NAMESPACE, PEER, REGION, Balanced
from tests.lab.kubectl import Kubectl, eventually, http, service

pytestmark = pytest.mark.lab

PEER_NODE = f"{PEER}-node1"
ELB = "kubernetes.io/elb."
GOOD = {f"{ELB}class": "union", f"{ELB}id": "0a1b2c3d"}


@pytest.fixture(scope="module")
def balanced(lab: Lab) -> Iterator[Balanced]:
    found = Balanced(lab)
    yield found
    found("delete", "namespace", NAMESPACE)
    lab.play_cloud("plain")


@pytest.fixture
def shop(balanced: Balanced) -> Iterator[str]:
    """Name of a Service that the test applies."""
    yield "shop"
    balanced("delete", "service", "shop", "--ignore-not-found")


def shop_service(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    found = service("shop", "web", **{"type": "LoadBalancer", **spec})
    found["metadata"]["annotations"] = annotations or {}
    return found


def reachable_from(balanced: Balanced, address: str) -> dict[str, bool]:
    return {place: balanced.answers(address, place) for place in (PEER_NODE, "outside")}


def test_source_ranges_keep_out_a_stranger_and_let_a_peer_in(balanced: Balanced, shop: str) -> None:
    balanced.lab.play_cloud("plain")
    balanced.apply(shop_service())
    assert eventually(lambda: reachable_from(balanced, balanced.address(shop)) == {PEER_NODE: True, "outside": True})
    balanced.apply(shop_service(loadBalancerSourceRanges=[f"{balanced.peer.api_address}/32"]))
    assert eventually(lambda: reachable_from(balanced, balanced.address(shop)) == {PEER_NODE: True, "outside": False})


def test_a_strict_cloud_refuses_a_service_until_its_annotations_are_right(balanced: Balanced, shop: str) -> None:
    balanced.lab.play_cloud("huawei-cce", regions=[REGION])
    wrong = [
        (shop_service(), "elb.class is missing"),
        (shop_service({**GOOD, f"{ELB}autocreate": "{}"}), "are both there"),
        (shop_service(GOOD, loadBalancerSourceRanges=["198.51.100.12/32"]), "does not know loadBalancerSourceRanges"),
    ]
    for asked, reason in wrong:
        balanced.apply(asked)
        assert eventually(lambda reason=reason: balanced.refused(shop, reason))  # type: ignore[misc]
        assert balanced.address(shop) == ""
    balanced.apply(shop_service(GOOD))
    balanced("patch", "service", shop, "--type=merge", "-p", '{"spec":{"loadBalancerSourceRanges":null}}')
    balanced("annotate", "service", shop, f"{ELB}autocreate-")
    assert eventually(lambda: balanced.answers(balanced.address(shop)))


def test_access_control_follows_the_group_of_addresses_and_its_type(balanced: Balanced, shop: str) -> None:
    groups = {"peers": [f"{balanced.peer.api_address}/32"]}
    balanced.lab.play_cloud("huawei-cce", regions=[REGION], address_groups=groups)
    control = {f"{ELB}acl-id": "peers", f"{ELB}acl-status": "on", f"{ELB}acl-type": "white"}
    balanced.apply(shop_service({**GOOD, **control}))
    assert eventually(lambda: reachable_from(balanced, balanced.address(shop)) == {PEER_NODE: True, "outside": False})
    balanced.apply(shop_service({**GOOD, **control, f"{ELB}acl-type": "black"}))
    assert eventually(lambda: reachable_from(balanced, balanced.address(shop)) == {PEER_NODE: False, "outside": True})
    # The cloud's group changes, not the Service.
    groups = {"peers": [f"{OUTSIDE_ADDRESS}/32"]}
    balanced.lab.play_cloud("huawei-cce", regions=[REGION], address_groups=groups)
    assert eventually(lambda: reachable_from(balanced, balanced.address(shop)) == {PEER_NODE: True, "outside": False})


def test_a_cloud_with_host_names_gives_one_that_pods_of_all_regions_resolve(balanced: Balanced, shop: str) -> None:
    balanced.lab.play_cloud("aws-nlb", regions=[REGION])
    scheme = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}
    balanced.apply(shop_service(scheme, loadBalancerClass="service.k8s.aws/nlb"))
    assert eventually(lambda: balanced.address(shop).endswith(".elb.lab.internal"))
    client = {"name": "client", "image": "localhost/sample:1", "imagePullPolicy": "Never", "command": ["sleep", "600"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}}
    spec = {"containers": [client], "terminationGracePeriodSeconds": 0}
    for region in (REGION, PEER):
        kubectl = Kubectl.of(balanced.lab, region)
        kubectl.apply({**pod, "spec": spec})
        try:
            kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
            ask = f"curl -s -m 3 http://{balanced.address(shop)}/ || true"
            assert eventually(lambda k=kubectl, a=ask: "hello" in k("exec", "client", "--", "sh", "-c", a))  # type: ignore[misc]
        finally:
            kubectl("delete", "pod", "client", "--now")


def test_without_load_balancers_external_ips_and_node_ports_are_forwarded(balanced: Balanced, shop: str) -> None:
    balanced.lab.play_cloud("bare-metal", regions=[REGION])
    public, router = balanced.region.load_balancer_pool[-1], balanced.region.api_address
    balanced.apply(shop_service(type="ClusterIP", externalIPs=[str(public), str(router)]))
    assert eventually(lambda: balanced.answers(str(public)) and balanced.answers(str(router)))
    balanced.apply(shop_service(type="NodePort", externalIPs=[]))
    node_port = balanced.port(shop)
    assert eventually(lambda: balanced.answers(f"{router}:{node_port}") and not balanced.answers(str(public)))
    balanced.lab.play_cloud("plain", regions=[REGION])
    assert eventually(lambda: not balanced.answers(f"{router}:{node_port}"))


def test_somebody_outside_reaches_public_addresses_only(balanced: Balanced) -> None:
    outside = balanced.lab.outside
    assert str(outside.address) in outside.run(["ip", "-4", "address"])
    url = f"https://{balanced.peer.api_address}:6443/version"
    assert '"gitVersion"' in outside.run(["curl", "-sk", "-m", "5", url])
    assert http(balanced.lab, "outside", "http://10.0.0.11:10250/") == ""
