"""Faults of networks: the router's rules for them, and the messages by which packets are held."""

import struct

import pytest

from lab import Lab, LabError
from lab.faults import delay, rules
from lab.plan import LabPlan
from lab.state import LabFolders, Memory

PLAN = LabPlan("mine", 3, 1, flat=(("cn-east-3", "cn-south-1"),))
FIRST, SECOND, THIRD = PLAN.regions


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_a_cut_drops_all_that_goes_to_the_router_and_the_load_balancers_of_the_other_region() -> None:
    rule = rules.cut(FIRST, SECOND).rule(PLAN)
    assert option(rule, "-d") == "198.51.100.12/32,198.51.100.80/28"
    assert (option(rule, "-o"), option(rule, "-j")) == ("wan", "DROP")
    assert not any(
        each.subnet_of(FIRST.pod_network) for each in [SECOND.pod_network] if str(each) in option(rule, "-d")
    )


def test_regions_on_one_network_lose_the_way_to_each_others_pods_too() -> None:
    assert option(rules.cut(SECOND, THIRD).rule(PLAN), "-d").split(",")[-1] == str(THIRD.pod_network)


@pytest.mark.parametrize(("percent", "probability"), [(30, "0.300000"), (100, "1.000000"), (0.5, "0.005000")])
def test_loss_is_a_chance_for_each_packet(percent: float, probability: str) -> None:
    assert option(rules.lossy(FIRST, SECOND, percent).rule(PLAN), "--probability") == probability


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_loss_that_is_no_share_is_refused(percent: float) -> None:
    with pytest.raises(LabError, match="percent of loss cannot be had"):
        rules.lossy(FIRST, SECOND, percent)


def test_delayed_packets_go_on_without_the_program_that_holds_them() -> None:
    assert "--queue-bypass" in rules.queued(FIRST, SECOND, 200).rule(PLAN)
    assert len({rules.queue_number(each) for each in PLAN.regions}) == 3


def test_faults_are_read_back_in_words_each_once() -> None:
    listed = """-N SPANMESH-FAULT
-A SPANMESH-FAULT -d 198.51.100.12/32 -o wan -m comment --comment "cut: cn-north-4 to cn-east-3" -j DROP
-A SPANMESH-FAULT -d 198.51.100.80/28 -o wan -m comment --comment "cut: cn-north-4 to cn-east-3" -j DROP
-A SPANMESH-FAULT -d 198.51.100.13/32 -o wan -m comment --comment "30 percent lost: cn-north-4 to cn-south-1" -j DROP
"""
    assert rules.read_faults(listed) == ["cut: cn-north-4 to cn-east-3", "30 percent lost: cn-north-4 to cn-south-1"]


@pytest.fixture
def lab(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("SPANMESH_STATE", f"{tmp_path}/state")
    LabFolders("mine").save(Memory(regions=2, nodes=1))
    return Lab("mine")


def test_a_region_has_no_way_to_itself(lab: Lab) -> None:
    with (
        pytest.raises(LabError, match="cn-north-4 has no way over the WAN to itself"),
        lab.faults.cut("cluster1", "cn-north-4"),
    ):
        pass


@pytest.mark.parametrize("node", [0, 2])
def test_a_node_that_is_not_there_is_refused(lab: Lab, node: int) -> None:
    with pytest.raises(LabError, match=f"has 1 nodes, none with number {node}"), lab.faults.node_down("cluster1", node):
        pass


@pytest.mark.parametrize("milliseconds", [0, 10_001])
def test_a_delay_that_cannot_be_had_is_refused(lab: Lab, milliseconds: int) -> None:
    with (
        pytest.raises(LabError, match=f"a delay of {milliseconds} ms cannot be had"),
        lab.faults.delayed("cluster1", "cluster2", milliseconds),
    ):
        pass


@pytest.mark.parametrize("seconds", [0, 2**31])
def test_a_clock_that_cannot_be_had_is_refused_before_anything_of_the_lab_is_touched(lab: Lab, seconds: int) -> None:
    with (
        pytest.raises(LabError, match=f"a clock cannot be wrong by {seconds} s"),
        lab.faults.clock_wrong("cluster1", seconds),
    ):
        pass


def packet(number: int, extra: bytes = b"") -> bytes:
    header = delay.attribute(1, struct.pack("!IHB", number, 0x0800, 4))
    return delay.message(delay.PACKET, 2, delay.attribute(10, b"\0" * 3), header, delay.attribute(5, extra))


def test_every_packet_of_a_datagram_is_found() -> None:
    assert list(delay.packets(packet(1) + packet(70000, b"odd") + packet(3))) == [1, 70000, 3]


def test_what_is_no_packet_is_none() -> None:
    assert list(delay.packets(delay.message(delay.CONFIG, 2, delay.attribute(1, struct.pack("!I", 9))))) == []


def test_a_verdict_lets_go_all_up_to_one_packet() -> None:
    sent = delay.verdict(2, 70000)
    size, kind = struct.unpack_from("=IH", sent)
    assert (size, kind) == (len(sent), delay.BATCH_VERDICT)
    assert sent[18:20] == b"\0\2"
    assert struct.unpack_from("!II", sent, 24) == (1, 70000)


@pytest.mark.parametrize(("code", "found"), [(0, None), (-1, 1), (-16, 16)])
def test_a_refusal_of_the_kernel_is_its_error_number(code: int, found: int | None) -> None:
    assert delay.refusal(struct.pack("=IHHII", 36, 2, 0, 0, 0) + struct.pack("=i", code)) == found
