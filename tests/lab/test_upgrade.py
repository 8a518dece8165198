"""Istio from 1.22.3 to the current version and back, under load from both sides, with meshes of mixed versions between.

The load starts once gateways and backends have two replicas, and goes on to the end: none of it may fail.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cli.environment import ISTIO_CURRENT
from cli.project import ROOT
from lab import Lab
from live.load import Load, constant_requests
from live.upgrade.image import tag
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
OLD = "1.22.3"
# Nobody restarts its pod: the client of the load outlives every restart of workloads.
CALLERS = "callers"
SECONDS = 1200
URL = "http://helloworld.sample:5000/hello"
SURVIVOR: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Sidecar",
    "metadata": {"name": "survivor", "namespace": CALLERS},
    "spec": {"workloadSelector": {"labels": {"app": "nobody"}}, "egress": [{"hosts": ["./*"]}]},
}
CLIENT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "sleep", "namespace": CALLERS, "labels": {"app": "sleep"}},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "sleep",
                "image": "localhost/sample:1",
                "imagePullPolicy": "Never",
                "command": ["busybox", "sleep", "2147483647"],
            }
        ],
    },
}
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": CALLERS, "labels": {"istio-injection": "enabled"}},
}


def upgrade(stack: LabStack, *arguments: str, code: int = 0) -> str:
    """`spanmesh upgrade`, its outputs as one text."""
    command = [sys.executable, "-P", "-m", "cli", "upgrade", "--stack", stack.name, "--cwd", str(stack.project)]
    ended = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if "json" in arguments else subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == code, f"{ended.stdout}{ended.stderr}"
    return ended.stdout


def planned(stack: LabStack, *arguments: str) -> list[dict[str, Any]]:
    """What `--plan` says of each cluster."""
    found: list[dict[str, Any]] = json.loads(upgrade(stack, *arguments, "--plan", "-o", "json"))["clusters"]
    return found


def running(kubectl: Kubectl) -> dict[str, set[str]]:
    """By workload, the Istio versions of its running pods' images."""
    found: dict[str, set[str]] = {}
    for pod in kubectl.get("pods", "-A", "-l", "app in (istiod, istio-eastwestgateway, helloworld)")["items"]:
        if "deletionTimestamp" not in pod["metadata"]:
            images = {c["name"]: c["image"] for c in pod["spec"]["containers"]}
            image = images.get("discovery") or images["istio-proxy"]
            found.setdefault(pod["metadata"]["labels"]["app"], set()).add(tag(image))
    return found


def all_of(version: str) -> dict[str, set[str]]:
    return {app: {version} for app in ("istiod", "istio-eastwestgateway", "helloworld")}


@pytest.fixture(scope="module")
def stack(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    """Istio 1.22.3 with its own CRDs in two clusters, two replicas of all that carries traffic."""
    stack = LabStack.make(tmp_path_factory.mktemp("upgrade"), environment)
    stack.mesh["istio"]["version"] = OLD
    stack.mesh["allowVersionSkew"] = True
    stack.mesh["eastWest"]["replicas"] = 2
    stack.write()
    for name in stack.accesses:
        kubectl = Kubectl.of(lab, name)
        # A mesh that was here before leaves its CRDs, those of a newer chart as part of a release.
        if left := crds(kubectl):
            kubectl("delete", "crd", *left)
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture(scope="module")
def clusters(stack: LabStack, lab: Lab) -> Iterator[dict[str, Kubectl]]:
    """Both clusters, with a second backend pod, a client of its own, and an Istio object that nobody declares."""
    found = {name: Kubectl.of(lab, name) for name in stack.accesses}
    for number, kubectl in enumerate(found.values(), start=1):
        kubectl.apply(NAMESPACE)
        kubectl("wait", "-n", CALLERS, "serviceaccount/default", "--for=create", "--timeout=30s")
        kubectl.apply(CLIENT, SURVIVOR)
        kubectl("scale", "-n", "sample", f"deployment/helloworld-v{number}", "--replicas=2")
    for kubectl in found.values():
        kubectl("wait", "-n", CALLERS, "pod/sleep", "--for=condition=Ready", "--timeout=60s")
        kubectl("rollout", "status", "-n", "sample", "deployment", "--timeout=60s")
    yield found
    for kubectl in found.values():
        kubectl("delete", "namespace", CALLERS, "--wait=false")


@pytest.fixture(scope="module")
def loads(stack: LabStack, clusters: dict[str, Kubectl]) -> Iterator[dict[str, Load]]:
    """Requests from both sides while the tests of this file run."""
    with ExitStack() as running_loads:
        yield {
            name: running_loads.enter_context(
                constant_requests(stack.accesses[name], CALLERS, SECONDS, url=URL, pause=0.05)
            )
            for name in clusters
        }


def survivors(clusters: dict[str, Kubectl]) -> list[tuple[str, dict[str, Any]]]:
    found = [kubectl.get("sidecar", "survivor", "-n", CALLERS) for kubectl in clusters.values()]
    return [(each["metadata"]["uid"], each["spec"]) for each in found]


def crds(kubectl: Kubectl) -> dict[str, str]:
    """By name of Istio's CRDs, their uid."""
    items = kubectl.get("crd")["items"]
    return {i["metadata"]["name"]: i["metadata"]["uid"] for i in items if i["spec"]["group"].endswith(".istio.io")}


def test_up_one_cluster_after_the_other_and_back_without_a_failed_request(
    stack: LabStack, clusters: dict[str, Kubectl], loads: dict[str, Load]
) -> None:
    first, second = clusters.values()
    objects, types = survivors(clusters), [crds(kubectl) for kubectl in clusters.values()]
    comment = "# stays where it is\n"
    stack.path.write_text(stack.path.read_text().replace("config:\n", f"config:\n  {comment}", 1))

    plan = planned(stack, "--to", ISTIO_CURRENT)
    assert [(each["cluster"], each["after"], each["crds"]) for each in plan] == [
        ("cluster1", None, len(types[0])),
        ("cluster2", "cluster1", len(types[1])),
    ]
    assert plan[0]["restarts"] == [
        {"deployment": "istiod", "pods": 1},
        {"deployment": "istio-eastwestgateway", "pods": 2},
    ]
    assert running(first) == all_of(OLD)

    upgrade(stack, "--to", ISTIO_CURRENT, "--cluster", "cluster1", "--workloads", "--yes")
    assert running(first) == all_of(ISTIO_CURRENT)
    assert running(second) == all_of(OLD)
    assert mixed_is_told_right(stack)

    upgrade(stack, "--to", ISTIO_CURRENT, "--workloads", "--yes")
    assert running(second) == all_of(ISTIO_CURRENT) == running(first)
    assert comment in stack.path.read_text()
    assert {each["changes"] for each in planned(stack)} == {False}

    upgrade(stack, "--to", OLD, "--yes")
    gone_back = {**all_of(OLD), "helloworld": {ISTIO_CURRENT}}
    assert [running(kubectl) for kubectl in clusters.values()] == [gone_back, gone_back]
    assert survivors(clusters) == objects
    assert all(
        before.items() <= crds(kubectl).items() for before, kubectl in zip(types, clusters.values(), strict=True)
    )

    for name, load in loads.items():
        result = load.result()
        assert result.failures == [], name
        assert set(result.answers) == set(clusters) and result.sent > 500, (name, result.sent)


def mixed_is_told_right(stack: LabStack) -> bool:
    """Whether `status` finds nothing wrong with a mesh of two versions that are as declared."""
    command = [sys.executable, "-P", "-m", "cli", "status", "--stack", stack.name, "--cwd", str(stack.project)]

    def right() -> bool:
        ended = subprocess.run(
            [*command, "-o", "json"],
            cwd=ROOT,
            env={**os.environ, **stack.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        clusters = json.loads(ended.stdout)["clusters"]
        told = {each["cluster"]: (each["versions"]["istio"], each["versions"]["state"]) for each in clusters}
        return ended.returncode == 0 and told == {"cluster1": ([ISTIO_CURRENT], "ok"), "cluster2": ([OLD], "ok")}

    return eventually(right, 60)
