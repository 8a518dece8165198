"""The lab of the tests.

SPANMESH_KEEP_LAB=1 leaves the lab up for the next run; SPANMESH_TEST_LAB names it, so that two runs do not meet.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.environment import ISTIO_CURRENT, PULUMI_TOOLS, charts_tool, lab_environment, link_charts
from lab import Lab
from lab.preflight import missing_requirements
from tests.lab.istioctl import Istioctl
from tests.lab.stacks import LabStack
from toolchain import Tool, Toolchain

NAME = os.environ.get("SPANMESH_TEST_LAB", "test")
VERSIONS = (ISTIO_CURRENT, "1.22.3")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three regions with one node each, and the images of both Istio versions.

    cluster1 and cluster2 have the same ranges and cannot reach each other; cluster2 and cluster3 are on one network.
    """
    if missing := missing_requirements():
        pytest.skip("no lab can run here: " + "; ".join(missing))
    lab = Lab(NAME)
    lab.up(regions=3, flat=[("cluster2", "cluster3")], istio_versions=VERSIONS)
    yield lab
    if not os.environ.get("SPANMESH_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def tools(lab: Lab) -> dict[str, Tool]:
    """Every tool that a test starts, by name."""
    istioctls = [f"istioctl@{version}" for version in VERSIONS]
    tools = Toolchain().ensure([*PULUMI_TOOLS, *istioctls, *(charts_tool(version) for version in VERSIONS)])
    link_charts(tools)
    return tools


@pytest.fixture(scope="session")
def environment(lab: Lab, tools: dict[str, Tool]) -> Iterator[dict[str, str]]:
    """What `spanmesh env` would say of the lab, and KUBECONFIG set to it."""
    found = lab_environment(lab, tools)
    patch = pytest.MonkeyPatch()
    patch.setenv("KUBECONFIG", found["KUBECONFIG"])
    yield found
    patch.undo()


@pytest.fixture(scope="session")
def istioctl(environment: dict[str, str], tools: dict[str, Tool]) -> Istioctl:
    """istioctl of current Istio."""
    return Istioctl(tools[f"istioctl@{ISTIO_CURRENT}"].path, ISTIO_CURRENT, environment)


@pytest.fixture(scope="session")
def istioctl_1_22(environment: dict[str, str], tools: dict[str, Tool]) -> Istioctl:
    """istioctl of the article's Istio."""
    return Istioctl(tools["istioctl@1.22.3"].path, "1.22.3", environment)


@pytest.fixture
def empty(environment: dict[str, str], tmp_path: Path) -> LabStack:
    """A stack like the lab's with nothing up yet; a test that brings it up destroys it."""
    return LabStack.make(tmp_path, environment)
