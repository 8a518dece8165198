"""Labs come up, are repaired, stand side by side and go without a trace, also after a kill -9 in their middle."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, LabStatus
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.traces import host_network, processes, traces

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "cli", "lab"]
NAME, OTHER = "life", "lifetwo"
REGION = "cn-north-4"
NODE, ROUTER = f"{REGION}-node1", f"{REGION}-router"
KERNEL_SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")


def spanmesh_lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def signal_up_at(step: str, number: signal.Signals) -> int:
    """Start `up` and signal it, and whatever it just called, as soon as it says that it is at this step.

    Returns:
        its exit code, or the negative number of the signal that ended it.
    """
    up = subprocess.Popen(
        [*COMMAND, "up", NAME, "--regions", "1"], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with up:
        assert up.stderr is not None
        lines = []
        for line in up.stderr:
            lines.append(line)
            if step in line:
                break
        else:
            pytest.fail(f"up never came to {step!r}: {''.join(lines)}")
        os.killpg(up.pid, number)
        up.stderr.read()
    return up.returncode


def unhealthy(status: LabStatus) -> dict[str, str]:
    components = [*status.components, *(each for region in status.regions for each in region.components)]
    return {each.name: each.reason for each in components if not each.healthy}


def program_pids(name: str) -> dict[int, str]:
    """The lab's programs, without what comes and goes: forks of forwarders, probes in containers, pod shims."""
    lasting = {"supervisord", "etcd", "containerd", "kubernetes", "coredns", "unshare"}
    return {pid: command for pid, command in processes(name) if command in lasting}


@pytest.fixture(autouse=True)
def nothing_else_named_so() -> None:
    assert os.geteuid() == 0, "lab tests need root"


@pytest.fixture(scope="module")
def life() -> Iterator[Lab]:
    """A lab of one region, for tests that leave it healthy."""
    lab = Lab(NAME)
    lab.down()
    lab.up(regions=1)
    yield lab
    lab.down()
    assert traces(NAME) == []


@pytest.mark.parametrize("step", ["networks", "waiting for the API server", "waiting for DNS"])
def test_down_after_a_killed_up_leaves_no_trace(step: str) -> None:
    Lab(NAME).down()
    host = host_network()
    settings = [Path("/proc/sys", each).read_text() for each in KERNEL_SETTINGS]
    assert signal_up_at(step, signal.SIGKILL) == -signal.SIGKILL
    assert any(trace.startswith("file") for trace in traces(NAME)), "up was killed before it did anything"
    down = spanmesh_lab("down", NAME)
    assert down.returncode == 0, down.stderr
    assert traces(NAME) == []
    assert host_network() == host
    assert [Path("/proc/sys", each).read_text() for each in KERNEL_SETTINGS] == settings


def test_up_repairs_what_a_killed_up_left() -> None:
    Lab(NAME).down()
    signal_up_at("starting Kubernetes", signal.SIGKILL)
    half = spanmesh_lab("status", NAME)
    assert half.returncode == 1
    assert "did not come to its end" in half.stdout
    again = spanmesh_lab("up", NAME)
    assert again.returncode == 0, again.stderr
    assert spanmesh_lab("status", NAME).returncode == 0
    Lab(NAME).down()
    assert traces(NAME) == []


def test_an_interrupted_up_ends_soon_and_can_be_taken_down() -> None:
    began = time.monotonic()
    assert signal_up_at("waiting for the API server", signal.SIGINT) == 130
    assert time.monotonic() - began < 40
    assert spanmesh_lab("down", NAME).returncode == 0
    assert traces(NAME) == []


def test_a_second_up_changes_nothing(life: Lab) -> None:
    before = program_pids(NAME)
    assert len(before) > 8
    life.up()
    assert program_pids(NAME) == before


def test_status_names_a_stopped_program_and_up_starts_it(life: Lab) -> None:
    life.machine(NODE).supervisor.stop("kube-scheduler")
    assert "stopped" in unhealthy(life.status())[f"{NODE}/kube-scheduler"]
    life.up()
    assert eventually(lambda: unhealthy(life.status()) == {})


def test_status_says_why_a_program_does_not_run(life: Lab) -> None:
    config = life.machine(NODE).folder / "kube-scheduler.conf"
    good = config.read_text()
    supervisor = life.machine(NODE).supervisor
    try:
        config.write_text("this is no kubeconfig")
        supervisor.stop("kube-scheduler")
        supervisor.start("kube-scheduler")
        name = f"{NODE}/kube-scheduler"
        assert eventually(lambda: "last log line" in unhealthy(life.status()).get(name, ""))
    finally:
        config.write_text(good)
        supervisor.stop("kube-scheduler")
        supervisor.start("kube-scheduler")
    assert eventually(lambda: unhealthy(life.status()) == {})


def test_a_program_that_dies_is_started_again_by_itself(life: Lab) -> None:
    (killed,) = [pid for pid, command in processes(NAME) if command == "etcd"]
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: [c for p, c in processes(NAME) if c == "etcd" and p != killed] == ["etcd"])
    assert eventually(lambda: unhealthy(life.status()) == {}, seconds=60)


@pytest.mark.parametrize("machine", [ROUTER, NODE])
def test_up_repairs_a_machine_that_died_and_its_pods_come_back(life: Lab, machine: str) -> None:
    init = life.machine(machine).init()
    assert init is not None
    os.kill(init.pid, signal.SIGKILL)
    assert eventually(lambda: not init.is_alive())
    assert unhealthy(life.status())[machine] == "the machine is not running"
    life.up()
    # What Kubernetes knew of the pods of a node that died may still be what it was.
    assert eventually(lambda: unhealthy(life.status()) == {})
    kubectl = Kubectl.of(life, REGION)
    # The Deployment says so a moment after the pod answers.
    available = ("get", "deployment", "coredns", "-n", "kube-system", "-o", "jsonpath={.status.availableReplicas}")
    assert eventually(lambda: kubectl(*available) == "1")


def test_a_taken_port_is_replaced_by_a_free_one(life: Lab) -> None:
    port = int(life.kubeconfig(REGION).read_text().split("https://127.0.0.1:")[1].split()[0])
    life.machine("host").stop(grace=0)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        life.up()
        assert f"https://127.0.0.1:{port}" not in life.kubeconfig(REGION).read_text()
        assert Kubectl.of(life, REGION).get("node", "node1")["metadata"]["name"] == "node1"


def test_two_labs_stand_side_by_side_and_one_goes_alone(life: Lab) -> None:
    other = Lab(OTHER)
    other.down()
    try:
        other.up(regions=1)
        mine, its = Kubectl.of(life, REGION), Kubectl.of(other, REGION)
        mine("create", "configmap", "whose", "--from-literal=lab=life")
        assert its.get("configmaps", "--field-selector=metadata.name=whose")["items"] == []
        assert unhealthy(other.status()) == {}
        assert unhealthy(life.status()) == {}
    finally:
        other.down()
    assert traces(OTHER) == []
    assert unhealthy(life.status()) == {}
    assert Kubectl.of(life, REGION).get("configmap", "whose")["data"] == {"lab": "life"}


def test_a_lab_cannot_be_changed_by_two_commands_at_once(life: Lab) -> None:
    first = subprocess.Popen([*COMMAND, "up", NAME, "--nodes", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with first:
        assert first.stderr is not None
        assert "networks" in first.stderr.readline()
        second = spanmesh_lab("down", NAME)
        first.stderr.read()
    assert second.returncode == 1
    assert f"another command is changing it (process {first.pid})" in second.stderr.replace("\n", " ")
    assert first.returncode == 0
    # The first one made the region larger by a node, while it ran.
    ready = [each["metadata"]["name"] for each in Kubectl.of(life, REGION).get("nodes")["items"]]
    assert sorted(ready) == ["node1", "node2"]
    assert unhealthy(life.status()) == {}


def test_logs_of_a_component_can_be_read(life: Lab) -> None:
    listed = spanmesh_lab("logs", NAME).stdout.split()
    assert f"{NODE}/kubelet" in listed
    printed = spanmesh_lab("logs", NAME, f"{NODE}/etcd", "--tail", "3").stdout
    assert len(printed.splitlines()) == 3
    unknown = spanmesh_lab("logs", NAME, "nothing")
    assert unknown.returncode == 1
    assert f"{NODE}/kubelet" in unknown.stderr


def test_a_region_is_added_to_a_network_without_disturbing_the_one_that_is_up(life: Lab) -> None:
    # Without the second node: another lab stands beside this one, and inotify instances are few.
    life.down()
    life.up(regions=1)
    before = program_pids(NAME)
    forwarder = life.machine("host").init()
    kubectl = Kubectl.of(life, REGION)
    # kubectl ends when its watch is cut off; a connection that says nothing the API server itself closes after 32 s.
    command = [str(kubectl.program), f"--kubeconfig={kubectl.kubeconfig}", "get", "namespaces", "--watch-only"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watch:
        try:
            grown = spanmesh_lab("up", NAME, "--regions", "2", "--flat", "cluster1,cluster2")
            assert grown.returncode == 0, grown.stderr
            assert watch.poll() is None
        finally:
            watch.terminate()
    assert before.items() <= program_pids(NAME).items()
    assert life.machine("host").init() == forwarder
    assert [region.network for region in life.status().regions] == ["network1", "network1"]
    assert unhealthy(life.status()) == {}
