"""Names and addresses of a lab."""

from ipaddress import IPv4Address

import pytest

from lab.errors import LabError
from lab.plan import MAX_NODES, REGION_NAMES, WAN_BRIDGE_ADDRESS, WAN_NETWORK, LabPlan, flat_groups, namespace_prefix


def test_no_public_address_is_given_twice_however_many_regions() -> None:
    plan = LabPlan("demo", len(REGION_NAMES), 1)
    given = [WAN_BRIDGE_ADDRESS]
    for region in plan.regions:
        given += [region.api_address, *region.load_balancer_pool]
    assert len(given) == len(set(given))
    assert all(address in WAN_NETWORK for address in given)
    assert not {WAN_NETWORK.network_address, WAN_NETWORK.broadcast_address} & set(given)


def test_regions_come_in_order_with_clusters_named_after_it() -> None:
    first, second = LabPlan("demo", 2, 1).regions
    assert (first.name, first.cluster, str(first.api_address)) == ("cn-north-4", "cluster1", "198.51.100.11")
    assert (second.name, second.cluster, str(second.api_address)) == ("cn-east-3", "cluster2", "198.51.100.12")


def test_all_regions_have_the_same_inner_addresses() -> None:
    first, second = LabPlan("demo", 2, 3).regions
    assert [(node.name, node.address, node.pod_network) for node in first.nodes] == [
        (node.name, node.address, node.pod_network) for node in second.nodes
    ]


def test_nodes_of_a_region_share_no_addresses_and_differ_in_zone() -> None:
    nodes = LabPlan("demo", 1, MAX_NODES).regions[0].nodes
    assert len({node.address for node in nodes}) == len({node.pod_network for node in nodes}) == MAX_NODES
    assert [node.zone for node in nodes[:3]] == ["cn-north-4a", "cn-north-4b", "cn-north-4c"]
    assert all(isinstance(node.address, IPv4Address) for node in nodes)


def test_a_region_is_found_by_its_name_and_by_that_of_its_cluster() -> None:
    plan = LabPlan("demo", 2, 1)
    assert plan.region("cluster2") == plan.region("cn-east-3")


def test_an_unknown_region_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        LabError, match=r"no region 'cn-west-9'; it has cn-north-4 \(cluster1\), cn-east-3 \(cluster2\)"
    ):
        LabPlan("demo", 2, 1).region("cn-west-9")


@pytest.mark.parametrize("name", ["", "Demo", "a-b", "1st", "../x", "a" * 21, "a b"])
def test_a_name_that_cannot_name_namespaces_and_folders_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lower-case letters and digits"):
        LabPlan(name, 1, 1)


@pytest.mark.parametrize(("regions", "nodes"), [(0, 1), (12, 1), (1, 0), (1, 10)])
def test_numbers_that_the_addresses_do_not_suffice_for_are_refused(regions: int, nodes: int) -> None:
    with pytest.raises(LabError, match="cannot be had, take 1 to"):
        LabPlan("demo", regions, nodes)


def test_no_labs_namespaces_can_be_taken_for_anothers() -> None:
    machines = [LabPlan("a", 2, 2).namespace(region.router) for region in LabPlan("a", 2, 2).regions]
    assert all(machine.startswith(namespace_prefix("a")) for machine in machines)
    assert not any(machine.startswith(namespace_prefix("ab")) for machine in machines)


FLAT = (("cn-east-3", "cn-south-1"),)


def test_only_the_later_regions_of_one_network_have_pod_ranges_of_their_own() -> None:
    alone, first, second = LabPlan("demo", 3, 2, FLAT).regions
    assert [str(each.pod_network) for each in (alone, first, second)] == [
        "10.244.0.0/16",
        "10.244.0.0/16",
        "10.245.0.0/16",
    ]
    assert [str(node.pod_network) for node in second.nodes] == ["10.245.0.0/24", "10.245.1.0/24"]


def test_regions_on_one_network_are_each_others_peers_and_nobody_elses() -> None:
    plan = LabPlan("demo", 4, 1, FLAT)
    alone, first, second, last = plan.regions
    assert plan.networks == ((alone,), (first, second), (last,))
    assert (plan.flat_peers(first), plan.flat_peers(second), plan.flat_peers(last)) == ((second,), (first,), ())


def test_a_region_that_joins_a_network_moves_nobody_on_it() -> None:
    before = LabPlan("demo", 3, 1, FLAT).regions
    after = LabPlan("demo", 4, 1, ((*FLAT[0], "cn-southwest-2"),)).regions
    assert after[:3] == before
    assert not any(after[3].pod_network.overlaps(each.pod_network) for each in before)


def test_groups_take_names_of_regions_and_clusters_and_are_put_in_order() -> None:
    plan = LabPlan("demo", 5, 1)
    assert flat_groups(plan, [["cluster5", "cn-southwest-2"], ["cluster3", "cluster2"]]) == (
        ("cn-east-3", "cn-south-1"),
        ("cn-southwest-2", "cn-north-9"),
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([["cluster2"]], "no network of several regions"),
        ([["cluster2", "cn-east-3"]], "no network of several regions"),
        ([["cluster1", "cluster9"]], "no region 'cluster9'"),
        ([["cluster1", "cluster2"], ["cluster2", "cluster3"]], r"cn-east-3 \(cluster2\) is in two groups"),
    ],
)
def test_groups_that_make_no_networks_are_refused(groups: list[list[str]], said: str) -> None:
    with pytest.raises(LabError, match=said):
        flat_groups(LabPlan("demo", 3, 1), groups)
