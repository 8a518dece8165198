"""What the measuring of previews measures."""

import os
import subprocess
import sys
import time

import pytest

from bench.memory import INTERVAL_SECONDS, PeakMemory, descendants
from bench.previews import mesh
from topology import links, load_mesh, members

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
MIB = 2**20
# A process whose child holds memory: the tree counts, not only the process that was started.
HOLDS = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
SLEEPS = f"import time; held = b'x' * {64 * MIB}; time.sleep({4 * INTERVAL_SECONDS})"


def test_the_peak_has_the_memory_of_processes_below_processes() -> None:
    with PeakMemory() as watched:
        subprocess.run([sys.executable, "-c", HOLDS, SLEEPS], check=True)
    assert watched.peak.processes >= 2
    assert 64 * MIB < watched.peak.pss <= watched.peak.rss < 64 * MIB + 256 * MIB


def test_only_descendants_count() -> None:
    with subprocess.Popen(["sleep", "30"]) as process:
        time.sleep(0.05)
        assert process.pid in descendants(os.getpid())
        assert os.getpid() not in descendants(os.getpid())
        assert descendants(process.pid) == []
        process.kill()


def test_the_measured_meshes_are_valid_and_fully_linked() -> None:
    assert len(links(load_mesh(mesh(50, "full")))) == 50 * 49
    hub = load_mesh(mesh(50, {"hubs": ["cluster1", "cluster2"]}))
    assert len(links(hub)) == 2 * (2 * 48 + 1)


def test_groups_are_of_equal_size() -> None:
    divided = load_mesh(mesh(50, "full", groups=10))
    assert {len(members(divided, group)) for group in divided.groups} == {5}
