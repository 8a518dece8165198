"""The lab of the tests; where they run in several processes (pytest -n), one for each process.

SPANMESH_KEEP_LAB=1 leaves the lab up for the next run; SPANMESH_TEST_LAB names it, so that two runs do not meet.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from cli.environment import ISTIO_CURRENT, PULUMI_TOOLS, charts_tool, lab_environment, link_charts
from cli.project import ROOT
from lab import Lab
from lab.preflight import missing_requirements
from tests.lab.istioctl import Istioctl
from tests.lab.stacks import LabStack
from toolchain import Tool, Toolchain

FOLDER = Path(__file__).parent
# "gw0", "gw1", … in the processes of pytest-xdist.
NAME = os.environ.get("SPANMESH_TEST_LAB", "test") + os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
# They need a third region: one process runs them all, so that only its lab has one.
THREE_REGIONS = ("test_bare_cluster.py", "test_divided_mesh.py", "test_flat_network.py", "test_growing.py")
THREE = "three regions"
# What takes longest comes first, that no process is left alone with it at the end.
LONGEST = (
    "shared_mesh",
    "faults",
    THREE,
    "rotation",
    "test_upgrade.py",
    "test_takeover.py",
    "test_revisions.py",
    "test_trust.py",
    "test_root_rotation_by_pulumi_up.py",
    "test_bad_input.py",
    "test_access.py",
)
VERSIONS = (ISTIO_CURRENT, "1.22.3")


def sharing(nodeid: str) -> str:
    """What a test shares its mesh with: a folder, or a file."""
    first = Path(nodeid.split("::", maxsplit=1)[0]).relative_to(FOLDER.relative_to(ROOT)).parts[0]
    return THREE if first in THREE_REGIONS else first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first."""

    def place(item: pytest.Item) -> int:
        shared = sharing(item.nodeid) if item.path.is_relative_to(FOLDER) else ""
        return LONGEST.index(shared) if shared in LONGEST else len(LONGEST)

    items.sort(key=place)


class MeshScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps together, in one process, what shares a mesh."""

    def _split_scope(self, nodeid: str) -> str:
        return sharing(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> MeshScheduling:
    """The scheduler of pytest -n. Its own `loadgroup` does not see groups with pytest 9.2."""
    # It would go by the number of tests.
    config.option.loadscopereorder = False
    return MeshScheduling(config, log)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Two regions with one node each, and the images of both Istio versions.

    cluster1 and cluster2 have the same ranges and cannot reach each other.
    """
    if missing := missing_requirements():
        pytest.skip("no lab can run here: " + "; ".join(missing))
    lab = Lab(NAME)
    lab.up(regions=2, istio_versions=VERSIONS)
    yield lab
    if not os.environ.get("SPANMESH_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="session")
def three_regions(lab: Lab) -> Lab:
    """The lab with a third region: cluster3, on the network of cluster2."""
    lab.up(regions=3, flat=[("cluster2", "cluster3")], istio_versions=VERSIONS)
    return lab


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
