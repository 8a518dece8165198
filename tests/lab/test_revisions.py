"""Istio from 1.22.3 to the current version by revisions, under load from both sides: beside, by namespace, the default.

The load starts once gateways and backends have two replicas, and goes on to the end: none of it may fail.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.environment import ISTIO_CURRENT
from lab import Lab
from live.load.constant import Load
from tests.lab.kubectl import Kubectl
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack
from tests.lab.version_change import CALLERS, CLIENT, calls, mesh_of_1_22, none_failed, with_callers

pytestmark = pytest.mark.lab
NEW = "next"
GATEWAY = "istio-eastwestgateway"


def revision(stack: LabStack, *arguments: str, code: int = 0) -> str:
    """`spanmesh revision` without asking; what it said."""
    ended = spanmesh(stack, "revision", *arguments, "--yes")
    assert ended.returncode == code, f"{arguments}: {ended.stdout}{ended.stderr}"
    return " ".join(ended.stderr.split())


def listed(stack: LabStack) -> dict[str, dict[str, dict[str, Any]]]:
    """By cluster and revision, what `spanmesh revision list` says."""
    clusters = json.loads(spanmesh(stack, "revision", "list", "-o", "json").stdout)["clusters"]
    return {each["cluster"]: {r["revision"]: r for r in each["revisions"]} for each in clusters}


def proxies(revisions: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By revision of one cluster, how many proxies the sample and the callers have."""
    return {name: each["proxies"] for name, each in revisions.items() if each["proxies"]}


@pytest.fixture(scope="module")
def stack(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    with mesh_of_1_22(environment, tmp_path_factory.mktemp("revisions")) as stack:
        yield stack


@pytest.fixture(scope="module")
def clusters(stack: LabStack, lab: Lab) -> Iterator[dict[str, Kubectl]]:
    with with_callers(lab, stack) as clusters:
        yield clusters


@pytest.fixture(scope="module")
def loads(stack: LabStack, clusters: dict[str, Kubectl]) -> Iterator[dict[str, Load]]:
    with calls(stack) as loads:
        yield loads


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
    none_failed(loads)

    for kubectl in clusters.values():
        kubectl("delete", "pod", "-n", CALLERS, "sleep")
    revision(stack, "remove", "default")
    assert {name: each.keys() for name, each in listed(stack).items()} == {key: {NEW} for key in clusters}
    assert injected(first) == NEW
    assert (
        json.loads(spanmesh(stack, "status", "--wait", "--timeout", "60", "-o", "json").stdout)["state"]
        == "as declared"
    )


def started(kubectl: Kubectl, selector: str) -> set[str]:
    """The uids of pods of istio-system that are not about to end."""
    pods = kubectl.get("pods", "-n", "istio-system", "-l", selector)["items"]
    return {each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]}


def injected(kubectl: Kubectl) -> str:
    """The revision that injects a new pod of the callers' namespace now."""
    pod = {**CLIENT, "metadata": {"name": "asked", "namespace": CALLERS}}
    said = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
    return str(json.loads(said)["metadata"]["annotations"]["istio.io/rev"])
