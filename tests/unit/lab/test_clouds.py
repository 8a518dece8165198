"""What the clouds that the lab plays take and refuse, and who may connect."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from kubernetes.client import (
    V1LoadBalancerIngress,
    V1LoadBalancerStatus,
    V1ObjectMeta,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
    V1ServiceStatus,
)

from lab.errors import LabError
from lab.load_balancer.admission import EVERYWHERE, admitted_sources
from lab.load_balancer.cloud import CloudFile, host_name, known_clouds, load_cloud, named_address
from lab.load_balancer.exposure import with_external_ips, with_node_ports
from lab.load_balancer.refusal import RefusedError
from lab.load_balancer.services import is_ours, status_addresses

CCE = load_cloud("huawei-cce", {"peers": ["198.51.100.12/32", "198.51.100.13/32"], "nobody": []})
PUBLIC = IPv4Address("198.51.100.64")
ELB = "kubernetes.io/elb."
GOOD = {f"{ELB}class": "union", f"{ELB}id": "0a1b"}
WHITE = {f"{ELB}acl-id": "peers", f"{ELB}acl-status": "on", f"{ELB}acl-type": "white"}


def service(
    annotations: dict[str, str] | None = None,
    *,
    name: str = "gateway",
    kind: str = "LoadBalancer",
    ranges: list[str] | None = None,
    external: list[str] | None = None,
    balancer_class: str | None = None,
    host: str | None = None,
) -> V1Service:
    return V1Service(
        metadata=V1ObjectMeta(
            uid=name,
            name=name,
            namespace="mesh",
            annotations=annotations,
            creation_timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        spec=V1ServiceSpec(
            type=kind,
            cluster_ip="10.96.7.7",
            external_ips=external,
            load_balancer_class=balancer_class,
            load_balancer_source_ranges=ranges,
            ports=[V1ServicePort(port=15443, protocol="TCP", node_port=31443)],
        ),
        status=V1ServiceStatus(
            load_balancer=V1LoadBalancerStatus(ingress=[V1LoadBalancerIngress(hostname=host)] if host else None)
        ),
    )


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != ELB + name}


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({}, "elb.class is missing; huawei-cce wants union or performance"),
        ({**GOOD, f"{ELB}class": "classic"}, "elb.class is 'classic'"),
        (without("id"), "exactly one of .*; none of them is there"),
        ({**GOOD, f"{ELB}autocreate": "{}"}, "elb.id and kubernetes.io/elb.autocreate are both there"),
        ({**without("id"), f"{ELB}autocreate": "{type"}, "elb.autocreate is no JSON object"),
        ({**GOOD, **WHITE, f"{ELB}acl-id": "other"}, r"no IP address group 'other' \(there are: nobody, peers\)"),
        ({**GOOD, **WHITE, f"{ELB}acl-type": "grey"}, "wants white or black"),
    ],
)
def test_cce_refuses_a_service_and_says_which_annotation_is_wrong(annotations: dict[str, str], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        admitted_sources(service(annotations), CCE)


def test_cce_refuses_source_ranges_that_others_enforce() -> None:
    asked = service(GOOD, ranges=["198.51.100.12/32"])
    with pytest.raises(RefusedError, match="does not know loadBalancerSourceRanges"):
        admitted_sources(asked, CCE)
    assert admitted_sources(asked, load_cloud("plain")) == (IPv4Network("198.51.100.12/32"),)


def test_a_white_group_lets_in_only_itself_and_a_black_one_all_others() -> None:
    group = (IPv4Network("198.51.100.12/32"), IPv4Network("198.51.100.13/32"))
    assert admitted_sources(service({**GOOD, **WHITE}), CCE) == group
    others = admitted_sources(service({**GOOD, **WHITE, f"{ELB}acl-type": "black"}), CCE)
    assert sum(each.num_addresses for each in others) == EVERYWHERE.num_addresses - 2
    assert not any(each.overlaps(listed) for each in others for listed in group)


@pytest.mark.parametrize("change", [{"acl-status": "off"}, {"acl-id": "nobody"}])
def test_access_control_that_is_off_or_empty_lets_everyone_in(change: dict[str, str]) -> None:
    annotations = {**GOOD, **WHITE, **{ELB + key: value for key, value in change.items()}}
    assert admitted_sources(service(annotations), CCE) == (EVERYWHERE,)


def test_each_cloud_serves_its_own_classes() -> None:
    plain, nlb = service(), service(balancer_class="service.k8s.aws/nlb")
    served = {name: (is_ours(plain, load_cloud(name)), is_ours(nlb, load_cloud(name))) for name in known_clouds()}
    assert served == {
        "aws-nlb": (False, True),
        "bare-metal": (False, False),
        "huawei-cce": (True, False),
        "plain": (True, False),
    }


def test_a_host_name_stands_for_its_address() -> None:
    name = host_name(PUBLIC)
    assert name == "lb-198-51-100-64.elb.lab.internal"
    assert status_addresses(service(host=name)) == ("198.51.100.64",)
    assert named_address("lb-1-2-3-4.example.com") is None


def test_an_external_ip_of_the_region_leads_to_the_cluster_ip_unless_a_load_balancer_has_it() -> None:
    asked = service(kind="ClusterIP", external=["198.51.100.64", "192.0.2.1"])
    (found,), refused = with_external_ips([asked], [PUBLIC], [])
    assert (found.address, found.targets, found.ports[0].target) == (PUBLIC, (IPv4Address("10.96.7.7"),), 15443)
    assert refused == {}
    found_none, refused = with_external_ips([asked], [PUBLIC], [PUBLIC])
    assert found_none == []
    assert "is that of a load balancer" in str(refused["gateway"])


def test_one_port_of_an_external_ip_goes_to_one_service() -> None:
    first, second = (service(name=name, kind="ClusterIP", external=[str(PUBLIC)]) for name in ("a", "b"))
    found, refused = with_external_ips([second, first], [PUBLIC], [])
    assert [each.service for each in found] == ["mesh/a"]
    assert "port 15443 is taken by Service mesh/a" in str(refused["b"])


def test_forwarded_node_ports_are_those_of_services_of_that_type() -> None:
    nodes = [IPv4Address("10.0.0.11")]
    router = IPv4Address("198.51.100.11")
    (found,) = with_node_ports([service(), service(kind="NodePort", name="np")], router, nodes)
    assert (found.address, found.ports[0].port, found.ports[0].target) == (router, 31443, 31443)


def test_a_file_describes_another_cloud_and_a_wrong_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\naddress: hostname\n")
    assert load_cloud(path).address == "hostname"
    path.write_text("name: mine\nadress: hostname\n")
    with pytest.raises(LabError, match=r"mine\.yaml: adress: Extra inputs"):
        load_cloud(path)
    with pytest.raises(LabError, match=r"'azure' is not known and no file .*; take aws-nlb, bare-metal"):
        load_cloud("azure")


def test_the_controller_sees_that_another_cloud_is_to_be_played(tmp_path: Path) -> None:
    file = CloudFile(tmp_path / "cloud.json")
    assert (file.changed(), file.read().name) == (False, "plain")
    (tmp_path / "cloud.json").write_text(CCE.model_dump_json(by_alias=True))
    assert file.changed()
    assert file.read() == CCE
    assert not file.changed()
