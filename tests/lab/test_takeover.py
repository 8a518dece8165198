"""A mesh that istioctl made, after Istio's own guide, is taken over while it carries traffic; nobody notices.

The requests begin before the first command and end after the last: none of them may fail.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab import Lab
from live.load.constant import Load, constant_requests
from tests.lab import istioctl_mesh
from tests.lab.istioctl import Istioctl
from tests.lab.istioctl_mesh import GATEWAY, WORKLOADS
from tests.lab.kubectl import Kubectl
from tests.lab.nothing_left import nothing_left
from tests.lab.rotation.command import rotate
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack
from topology.certificates import describe
from topology.defaults import NAMESPACE

pytestmark = pytest.mark.lab
SECONDS = 1200


@dataclass
class Taken:
    """The mesh, and what was seen on its way.

    Attributes:
        stack: that takes it over.
        kubectl: by cluster.
        root: the root that istioctl's mesh runs under, PEM.
        addresses: by cluster, the east-west gateway's Service before.
        loads: requests from every cluster.
        refused: what a preview said at first.
        said: what each command said.
    """

    stack: LabStack
    kubectl: dict[str, Kubectl]
    root: str
    addresses: dict[str, Any]
    loads: dict[str, Load]
    refused: str = ""
    said: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, *arguments: str) -> None:
        """Run the command `spanmesh`, which has to work."""
        ended = spanmesh(self.stack, *arguments)
        assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
        self.said[name] = ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def taken(
    lab: Lab, environment: dict[str, str], istioctl_1_22: Istioctl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Taken]:
    stack = LabStack.make(tmp_path_factory.mktemp("takeover"), environment)
    stack.mesh["istio"]["version"] = istioctl_1_22.version
    stack.config.pop("spanmesh:sample")
    stack.write()
    kubectl = {name: Kubectl.of(lab, name) for name in stack.accesses}
    with pytest.MonkeyPatch.context() as patch, nothing_left(stack), ExitStack() as running:
        # For this process too: a stack file that a rescue has written holds what only Pulumi decrypts.
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        try:
            servers = {each["name"]: each["apiServer"] for each in stack.mesh["clusters"]}
            root = istioctl_mesh.install(istioctl_1_22, kubectl, servers, stack.mesh["istio"]["values"])
            loads = {
                name: running.enter_context(constant_requests(access, WORKLOADS, SECONDS, pause=0.05))
                for name, access in stack.accesses.items()
            }
            taken = Taken(stack, kubectl, root, services(kubectl), loads)
            take_over(taken)
            yield taken
        finally:
            stack.attempt("cancel", "--yes")
            istioctl_mesh.remove_workloads(kubectl)


def services(kubectl: dict[str, Kubectl]) -> dict[str, Any]:
    """By cluster, the Service of the east-west gateway."""
    return {name: each.get("service", GATEWAY, "-n", NAMESPACE) for name, each in kubectl.items()}


def take_over(taken: Taken) -> None:
    """Step by step, as docs/takeover.md has it."""
    taken.refused = taken.stack.attempt("preview").stdout
    taken.run("adopt", "adopt", "--yes")
    taken.run("rescue", "rescue", "--yes")
    taken.stack.read()
    taken.said["up"] = taken.stack.up()
    taken.run("adopt again", "adopt", "--yes")


def test_it_is_refused_before_anything_is_touched_and_the_cure_is_named(taken: Taken) -> None:
    assert "cluster cluster1: Istio objects of another installer are in the way" in taken.refused
    assert "`spanmesh adopt`" in taken.refused


def test_gateways_keep_their_addresses_and_lose_the_ports_that_lead_to_istiod(taken: Taken) -> None:
    for name, service in services(taken.kubectl).items():
        before = taken.addresses[name]
        assert service["metadata"]["uid"] == before["metadata"]["uid"]
        assert service["status"]["loadBalancer"] == before["status"]["loadBalancer"]
        assert {port["port"] for port in before["spec"]["ports"]} == {15021, 15443, 15012, 15017}
        assert {port["port"] for port in service["spec"]["ports"]} == {15021, 15443}


def test_the_pods_of_the_former_gateway_are_gone_and_none_of_its_replica_sets_is_left_alone(taken: Taken) -> None:
    for kubectl in taken.kubectl.values():
        [deployment] = kubectl.get("deployment", "-n", NAMESPACE, "-l", f"app={GATEWAY}")["items"]
        sets = kubectl.get("replicaset", "-n", NAMESPACE, "-l", f"app={GATEWAY}")["items"]
        assert len(sets) > 1
        assert {s["metadata"]["ownerReferences"][0]["uid"] for s in sets} == {deployment["metadata"]["uid"]}
        pods = kubectl.get("pod", "-n", NAMESPACE, "-l", f"app={GATEWAY}")["items"]
        assert {pod["spec"]["serviceAccountName"] for pod in pods} == {GATEWAY}


def test_istiods_read_each_other_by_the_secret_of_the_stack_alone(taken: Taken) -> None:
    assert "istio-remote-secret-cluster2" in taken.said["adopt again"]
    for kubectl in taken.kubectl.values():
        held = kubectl.get("secret", "-n", NAMESPACE, "-l", "istio/multiCluster=true")["items"]
        assert [secret["metadata"]["name"] for secret in held] == ["istio-remote-clusters"]
    ended = spanmesh(taken.stack, "status")
    assert ended.returncode == 0, ended.stdout


def test_the_root_that_proxies_trust_is_kept_and_nothing_is_left_to_do(taken: Taken) -> None:
    assert taken.stack.pulumi.outputs()["root"]["sha256"] == describe(taken.root).sha256
    ended = taken.stack.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout
    again = spanmesh(taken.stack, "adopt")
    assert "Nothing to take over" in again.stderr


def test_after_a_restart_of_the_workloads_the_root_is_replaced_and_no_request_of_all_the_time_failed(
    taken: Taken,
) -> None:
    refused = rotate(taken.stack, "root")
    assert refused.code == 1
    assert "PROXY_CONFIG_XDS_AGENT" in refused.said
    for kubectl in taken.kubectl.values():
        # Not the client, whose pod runs the load.
        kubectl("rollout", "restart", "-n", WORKLOADS, "deployment/helloworld")
        kubectl("rollout", "status", "-n", WORKLOADS, "deployment/helloworld", "--timeout=90s")
    for name, load in taken.loads.items():
        result = load.result()
        print(f"{name}: {result.sent} requests, answers {dict(result.answers)}")  # noqa: T201
        assert result.failures == [], name
        assert set(result.answers) == set(taken.loads) and result.sent > 500
    for kubectl in taken.kubectl.values():
        kubectl("rollout", "restart", "-n", WORKLOADS, "deployment/sleep")
        kubectl("rollout", "status", "-n", WORKLOADS, "deployment/sleep", "--timeout=90s")
    replaced = rotate(taken.stack, "root")
    assert replaced.code == 0, replaced.said
    assert taken.stack.pulumi.outputs()["root"]["sha256"] != describe(taken.root).sha256
