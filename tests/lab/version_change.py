"""A mesh of Istio 1.22.3 whose version is about to change, and requests from both sides that none of it may fail."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lab import Lab
from live.load.constant import Load, constant_requests
from tests.lab.kubectl import Kubectl
from tests.lab.nothing_left import nothing_left
from tests.lab.stacks import LabStack

OLD = "1.22.3"
# Nobody restarts its pod: the client of the load outlives every restart of workloads.
CALLERS = "callers"
URL = "http://helloworld.sample:5000/hello"
SECONDS = 1200
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


def crds(kubectl: Kubectl) -> dict[str, str]:
    """By name of Istio's CRDs, their uid."""
    items = kubectl.get("crd")["items"]
    return {i["metadata"]["name"]: i["metadata"]["uid"] for i in items if i["spec"]["group"].endswith(".istio.io")}


@contextmanager
def mesh_of_1_22(environment: dict[str, str], project: Path) -> Iterator[LabStack]:
    """Istio 1.22.3 with its own CRDs in two clusters, two replicas of all that carries traffic."""
    stack = LabStack.make(project, environment)
    stack.mesh["istio"]["version"] = OLD
    stack.mesh["allowVersionSkew"] = True
    stack.mesh["eastWest"]["replicas"] = 2
    stack.write()
    with nothing_left(stack):
        stack.up()
        yield stack


@contextmanager
def with_callers(lab: Lab, stack: LabStack, *objects: dict[str, Any]) -> Iterator[dict[str, Kubectl]]:
    """Both clusters, each with a second backend pod, a client of its own, and these objects."""
    found = {name: Kubectl.of(lab, name) for name in stack.accesses}
    for number, kubectl in enumerate(found.values(), start=1):
        kubectl.apply(NAMESPACE)
        kubectl("wait", "-n", CALLERS, "serviceaccount/default", "--for=create", "--timeout=30s")
        kubectl.apply(CLIENT, *objects)
        kubectl("scale", "-n", "sample", f"deployment/helloworld-v{number}", "--replicas=2")
    for kubectl in found.values():
        kubectl("wait", "-n", CALLERS, "pod/sleep", "--for=condition=Ready", "--timeout=60s")
        kubectl("rollout", "status", "-n", "sample", "deployment", "--timeout=60s")
    try:
        yield found
    finally:
        for kubectl in found.values():
            kubectl("delete", "namespace", CALLERS, "--wait=false")


@contextmanager
def calls(stack: LabStack) -> Iterator[dict[str, Load]]:
    """Requests from the callers of every cluster while the block runs."""
    with ExitStack() as running:
        yield {
            name: running.enter_context(constant_requests(access, CALLERS, SECONDS, url=URL, pause=0.05))
            for name, access in stack.accesses.items()
        }


def none_failed(loads: Mapping[str, Load]) -> None:
    """End them: every request was answered, and every client by every cluster."""
    for name, load in loads.items():
        result = load.result()
        print(f"{name}: {result.sent} requests, answers {dict(result.answers)}")  # noqa: T201
        assert result.failures == [], name
        assert set(result.answers) == set(loads) and result.sent > 500, (name, result.sent)
