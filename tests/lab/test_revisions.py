"""Istio from 1.22.3 to the current version by revisions, under load from both sides: beside, by namespace, the default.

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
from tests.lab.kubectl import Kubectl
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
OLD, NEW = "1.22.3", "next"
# Nobody restarts its pod: the client of the load outlives every restart of workloads.
CALLERS = "callers"
SECONDS = 900
URL = "http://helloworld.sample:5000/hello"
GATEWAY = "istio-eastwestgateway"
CLIENT: dict[str, Any] = {
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


def spanmesh(stack: LabStack, *arguments: str, code: int = 0) -> tuple[str, str]:
    """The command on the stack; what it printed."""
    command = [sys.executable, "-P", "-m", "cli", *arguments, "--stack", stack.name, "--cwd", str(stack.project)]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **stack.environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, f"{arguments}: {ended.stdout}{ended.stderr}"
    return ended.stdout, " ".join(ended.stderr.split())


def revision(stack: LabStack, *arguments: str, code: int = 0) -> str:
    """`spanmesh revision` without asking; what it said."""
    return spanmesh(stack, "revision", *arguments, "--yes", code=code)[1]


def listed(stack: LabStack) -> dict[str, dict[str, dict[str, Any]]]:
    """By cluster and revision, what `spanmesh revision list` says."""
    clusters = json.loads(spanmesh(stack, "revision", "list", "-o", "json")[0])["clusters"]
    return {each["cluster"]: {r["revision"]: r for r in each["revisions"]} for each in clusters}


def proxies(revisions: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By revision of one cluster, how many proxies the sample and the callers have."""
    return {name: each["proxies"] for name, each in revisions.items() if each["proxies"]}


@pytest.fixture(scope="module")
def stack(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    """Istio 1.22.3 without a revision in two clusters, two replicas of all that carries traffic."""
    stack = LabStack.make(tmp_path_factory.mktemp("revisions"), environment)
    stack.mesh["istio"]["version"] = OLD
    stack.mesh["allowVersionSkew"] = True
    stack.mesh["eastWest"]["replicas"] = 2
    stack.write()
    for name in stack.accesses:
        kubectl = Kubectl.of(lab, name)
        # A mesh that was here before leaves its CRDs, those of a newer chart as part of a release.
        crds = [i["metadata"]["name"] for i in kubectl.get("crd")["items"] if i["spec"]["group"].endswith(".istio.io")]
        if crds:
            kubectl("delete", "crd", *crds)
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture(scope="module")
def clusters(stack: LabStack, lab: Lab) -> Iterator[dict[str, Kubectl]]:
    """Both clusters, with a second backend pod and a client of its own."""
    found = {name: Kubectl.of(lab, name) for name in stack.accesses}
    for number, kubectl in enumerate(found.values(), start=1):
        kubectl.apply(NAMESPACE)
        kubectl("wait", "-n", CALLERS, "serviceaccount/default", "--for=create", "--timeout=30s")
        kubectl.apply(CLIENT)
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
    with ExitStack() as running:
        yield {
            name: running.enter_context(constant_requests(stack.accesses[name], CALLERS, SECONDS, url=URL, pause=0.05))
            for name in clusters
        }


def test_a_newer_istiod_comes_beside_takes_over_by_namespace_and_the_old_one_goes_without_a_failed_request(
    stack: LabStack, clusters: dict[str, Kubectl], loads: dict[str, Load]
) -> None:
    first = next(iter(clusters.values()))
    istiods = {name: started(kubectl, "app=istiod") for name, kubectl in clusters.items()}
    gateways = {name: started(kubectl, f"app={GATEWAY}") for name, kubectl in clusters.items()}

    revision(stack, "add", ISTIO_CURRENT, "--name", NEW, "--tag", "canary")
    for each in listed(stack).values():
        assert each.keys() == {"default", NEW}
        assert proxies(each).keys() == {"default"}
    for name, kubectl in clusters.items():
        # What served goes on as it was.
        assert istiods[name] <= started(kubectl, "app=istiod")
        assert gateways[name] == started(kubectl, f"app={GATEWAY}")

    revision(stack, "move", "sample", "--to", "canary", "--cluster", "cluster1")
    found = listed(stack)
    assert proxies(found["cluster1"]) == {"default": {CALLERS: 1}, NEW: {"sample": 3}}
    assert proxies(found["cluster2"]) == {"default": {CALLERS: 1, "sample": 3}}

    said = revision(stack, "remove", NEW, code=2)
    assert "cluster cluster1: revision next is declared no more, and 3 running proxies are of it, in sample" in said

    revision(stack, "default", NEW)
    for name, each in listed(stack).items():
        assert (each[NEW]["default"], each[NEW]["gateways"], each["default"]["gateways"]) == (True, [GATEWAY], []), name
    # A pod of a namespace labelled istio-injection=enabled.
    assert injected(first) == NEW

    said = revision(stack, "remove", "default", code=2)
    assert f"4 running proxies are of it, in {CALLERS}, sample" in said
    revision(stack, "move", "sample", "--to", "canary", "--cluster", "cluster2")
    for name, load in loads.items():
        result = load.result()
        assert result.failures == [], name
        assert set(result.answers) == set(clusters) and result.sent > 500, (name, result.sent)
        print(f"{name}: {result.sent} requests, answers {dict(result.answers)}")  # noqa: T201

    for kubectl in clusters.values():
        kubectl("delete", "pod", "-n", CALLERS, "sleep")
    revision(stack, "remove", "default")
    assert {name: each.keys() for name, each in listed(stack).items()} == {key: {NEW} for key in clusters}
    assert injected(first) == NEW
    assert json.loads(spanmesh(stack, "status", "--wait", "--timeout", "60", "-o", "json")[0])["state"] == "as declared"


def started(kubectl: Kubectl, selector: str) -> set[str]:
    """The uids of pods of istio-system that are not about to end."""
    pods = kubectl.get("pods", "-n", "istio-system", "-l", selector)["items"]
    return {each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]}


def injected(kubectl: Kubectl) -> str:
    """The revision that injects a new pod of the callers' namespace now."""
    pod = {**CLIENT, "metadata": {"name": "asked", "namespace": CALLERS}}
    said = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
    return str(json.loads(said)["metadata"]["annotations"]["istio.io/rev"])
