"""A mesh over two clouds that the lab plays: CCE with access control, AWS with host names; then over bare metal."""

from collections.abc import Iterator

import pytest

from cli.demo import prove
from lab import Lab
from lab.plan import OUTSIDE_ADDRESS
from live.load.traffic import traffic_matrix
from tests.lab.kubectl import eventually, in_machine
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
CCE, AWS = "cn-north-4", "cn-east-3"
ELB = "kubernetes.io/elb."
PEERS = ["198.51.100.12/32"]


@pytest.fixture(scope="module")
def clouds(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    lab.play_cloud("huawei-cce", regions=[CCE], address_groups={"peers": PEERS})
    lab.play_cloud("aws-nlb", regions=[AWS])
    stack = LabStack.make(tmp_path_factory.mktemp("clouds"), environment)
    first, second = stack.mesh["clusters"]
    # CCE knows no source ranges, so they cannot be the mesh's.
    ranges = stack.mesh["eastWest"].pop("sourceRanges")
    group = {f"{ELB}acl-id": "peers", f"{ELB}acl-status": "on", f"{ELB}acl-type": "white"}
    first |= {"cloud": "huawei-cce", "eastWest": {"annotations": {f"{ELB}id": "0a1b2c3d", **group}}}
    target = "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"
    second |= {"cloud": "aws-nlb", "eastWest": {"sourceRanges": ranges, "annotations": {target: "instance"}}}
    stack.write()
    try:
        with nothing_left(stack):
            stack.up()
            yield stack
    finally:
        lab.play_cloud("plain")


def addresses(stack: LabStack) -> dict[str, list[str]]:
    return {name: c["eastWest"]["addresses"] for name, c in stack.pulumi.outputs()["clusters"].items()}


def test_requests_cross_between_an_elb_and_an_nlb_with_a_host_name(clouds: LabStack) -> None:
    found = addresses(clouds)
    assert found["cluster1"][0].startswith("198.51.100.")
    assert found["cluster2"][0].endswith(".elb.lab.internal")
    _, silent = prove(clouds.load(), found, 20)
    assert silent == []


def opens(lab: Lab, machine: str, address: str) -> bool:
    """Whether a TCP connection to the port of the east-west gateway comes about from a machine."""
    asked = ["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{time_connect}", f"telnet://{address}:15443"]
    return float(in_machine(lab, machine, *asked).stdout or 0) > 0


def test_the_gateway_lets_in_a_peer_and_nobody_else(clouds: LabStack, lab: Lab) -> None:
    (address,) = addresses(clouds)["cluster1"]
    assert opens(lab, f"{AWS}-router", address)
    assert not opens(lab, "outside", address)
    lab.play_cloud("huawei-cce", regions=[CCE], address_groups={"peers": [*PEERS, f"{OUTSIDE_ADDRESS}/32"]})
    assert eventually(lambda: opens(lab, "outside", address))


def test_requests_cross_to_bare_metal_by_an_external_ip(clouds: LabStack, lab: Lab) -> None:
    lab.play_cloud("bare-metal", regions=[AWS])
    public = str(next(r for r in lab.regions if r.name == AWS).load_balancer_pool[-1])
    clouds.mesh["clusters"][1] |= {"cloud": "bare-metal", "eastWest": {"type": "ClusterIP", "externalIPs": [public]}}
    clouds.write()
    clouds.up()
    assert addresses(clouds)["cluster2"] == [public]

    def only_by_the_external_ip() -> bool:
        rows = traffic_matrix(clouds.accesses, "sample", {"cluster2": [public]}, 10)
        cell = rows["cluster1"].cells.get("cluster2")
        return (
            not rows["cluster1"].failures and cell is not None and {h.address for h in cell.hops} == {f"{public}:15443"}
        )

    assert eventually(only_by_the_external_ip, 90)
