"""Istio from 1.22.3 to the current version and back, under load from both sides, with meshes of mixed versions between.

The load starts once gateways and backends have two replicas, and goes on to the end: none of it may fail.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.environment import ISTIO_CURRENT
from lab import Lab
from live.load.constant import Load
from live.upgrade.image import tag
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack
from tests.lab.version_change import CALLERS, OLD, calls, crds, mesh_of_1_22, none_failed, with_callers

pytestmark = pytest.mark.lab
SURVIVOR: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Sidecar",
    "metadata": {"name": "survivor", "namespace": CALLERS},
    "spec": {"workloadSelector": {"labels": {"app": "nobody"}}, "egress": [{"hosts": ["./*"]}]},
}


def upgrade(stack: LabStack, *arguments: str) -> str:
    """`spanmesh upgrade`; what it printed."""
    ended = spanmesh(stack, "upgrade", *arguments)
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
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
def stack(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    with mesh_of_1_22(environment, tmp_path_factory.mktemp("upgrade")) as stack:
        yield stack


@pytest.fixture(scope="module")
def clusters(stack: LabStack, lab: Lab) -> Iterator[dict[str, Kubectl]]:
    with with_callers(lab, stack, SURVIVOR) as clusters:
        yield clusters


@pytest.fixture(scope="module")
def loads(stack: LabStack, clusters: dict[str, Kubectl]) -> Iterator[dict[str, Load]]:
    with calls(stack) as loads:
        yield loads


def survivors(clusters: dict[str, Kubectl]) -> list[tuple[str, dict[str, Any]]]:
    found = [kubectl.get("sidecar", "survivor", "-n", CALLERS) for kubectl in clusters.values()]
    return [(each["metadata"]["uid"], each["spec"]) for each in found]


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

    none_failed(loads)


def mixed_is_told_right(stack: LabStack) -> bool:
    """Whether `status` finds nothing wrong with a mesh of two versions that are as declared."""

    def right() -> bool:
        ended = spanmesh(stack, "status", "-o", "json")
        clusters = json.loads(ended.stdout)["clusters"]
        told = {each["cluster"]: (each["versions"]["istio"], each["versions"]["state"]) for each in clusters}
        return ended.returncode == 0 and told == {"cluster1": ([ISTIO_CURRENT], "ok"), "cluster2": ([OLD], "ok")}

    return eventually(right, 60)
