"""The control groups of a lab's machines, on cgroup v1 (also the hybrid layout) and cgroup v2."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError

ROOT = Path("/sys/fs/cgroup")
_TOP = "spanmesh"
_V1_NEEDED = frozenset({"cpu", "cpuset", "memory", "pids", "devices", "freezer"})
_V2_NEEDED = frozenset({"cpu", "cpuset", "memory", "pids"})
_REMOVAL_SECONDS = 20.0


def is_v2() -> bool:
    """Whether the machine has the unified hierarchy only."""
    return (ROOT / "cgroup.controllers").exists()


def missing_controllers() -> set[str]:
    """The controllers that a lab needs and this machine does not offer."""
    if is_v2():
        return set(_V2_NEEDED - set((ROOT / "cgroup.controllers").read_text().split()))
    found = {name for hierarchy in _v1_hierarchies() for name in hierarchy.name.split(",")}
    return set(_V1_NEEDED - found)


def machine_group(lab: str, machine: str) -> str:
    """The path below each hierarchy under which the pods of one machine live: kubelet's `cgroupRoot`."""
    return f"/{_TOP}/{lab}/{machine}"


def ensure_machine_group(lab: str, machine: str) -> list[Path]:
    """Make the groups of one machine in every hierarchy.

    Returns:
        the `cgroup.procs` files that the machine's first process writes itself into.

    Raises:
        LabError: the machine refuses, as some containers do.
    """
    steps = (_TOP, lab, machine, "system")
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        try:
            if is_v2():
                return [_ensure_v2(steps)]
            return [_ensure_v1(hierarchy, steps) for hierarchy in _v1_hierarchies()]
        except OSError as error:
            # Another lab that goes down takes the common group with it as long as nothing is in it.
            if isinstance(error, FileNotFoundError) and time.monotonic() < deadline:
                continue
            raise LabError(
                f"cgroup for machine {machine} cannot be made ({error}); the lab needs a machine, or a privileged "
                "container with its own writable cgroups"
            ) from error


def delete_machine_group(lab: str, machine: str) -> None:
    """Delete the groups of one machine that is not running; a kubelet is held up by groups of pods long gone.

    Raises:
        LabError: a group still holds processes.
    """
    deadline = time.monotonic() + _REMOVAL_SECONDS
    for hierarchy in _hierarchies():
        top = hierarchy / _TOP / lab / machine
        if top.exists():
            _delete_tree(top, deadline)


def delete_lab_groups(lab: str) -> None:
    """Delete every group of one lab; a group empties a moment after its last process ended, so this waits for it.

    Raises:
        LabError: a group still holds processes.
    """
    deadline = time.monotonic() + _REMOVAL_SECONDS
    for hierarchy in _hierarchies():
        top = hierarchy / _TOP / lab
        if top.exists():
            _delete_tree(top, deadline)
        # The last lab that goes takes the common group along; while another lives this refuses.
        with contextlib.suppress(OSError):
            (hierarchy / _TOP).rmdir()


def lab_groups(lab: str) -> list[Path]:
    """The top groups of one lab that exist now, one per hierarchy."""
    return [path for hierarchy in _hierarchies() if (path := hierarchy / _TOP / lab).exists()]


def group_processes(lab: str) -> set[int]:
    """Ids of the processes inside any group of one lab."""
    return {process for top in lab_groups(lab) for process in _processes_below(top)}


def machine_processes(lab: str, machine: str) -> set[int]:
    """Ids of the processes of one machine, those in its containers too."""
    # Every process is in a group of each hierarchy: one tells all.
    hierarchy = ROOT if is_v2() else next(each for each in _v1_hierarchies() if "pids" in each.name.split(","))
    return _processes_below(hierarchy / _TOP / lab / machine)


def _processes_below(top: Path) -> set[int]:
    found: set[int] = set()
    for procs in top.rglob("cgroup.procs"):
        try:
            found.update(int(line) for line in procs.read_text().split())
        except OSError:
            continue  # The group went away, or is threaded.
    return found - {0}


def _v1_hierarchies() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, _ = line.split(" ", 3)
        if kind == "cgroup" and Path(target).parent == ROOT:
            yield Path(target)


def _hierarchies() -> list[Path]:
    """Every hierarchy in which a lab may have groups; in the hybrid layout runc uses the unified one as well."""
    return [ROOT] if is_v2() else [*_v1_hierarchies(), *([ROOT / "unified"] if (ROOT / "unified").exists() else [])]


def _ensure_v1(hierarchy: Path, steps: tuple[str, ...]) -> Path:
    group = hierarchy
    for step in steps:
        parent, group = group, group / step
        group.mkdir(exist_ok=True)
        if (group / "cpuset.cpus").exists():
            # A new cpuset is empty, and nothing can run in an empty one.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not (group / name).read_text().strip():
                    (group / name).write_text((parent / name).read_text())
    return group / "cgroup.procs"


def _ensure_v2(steps: tuple[str, ...]) -> Path:
    group = ROOT
    for step in steps:
        wanted = set((group / "cgroup.controllers").read_text().split()) & (_V2_NEEDED | {"io", "hugetlb"})
        enabled = set((group / "cgroup.subtree_control").read_text().split())
        if wanted - enabled:
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted - enabled)))
        group /= step
        group.mkdir(exist_ok=True)
    return group / "cgroup.procs"


def _delete_tree(top: Path, deadline: float) -> None:
    groups = sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for group in [*groups, top]:
        while True:
            try:
                group.rmdir()
            except FileNotFoundError:
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        f"cgroup {group} cannot be removed ({error}); processes in it: "
                        f"{(group / 'cgroup.procs').read_text().split()}"
                    ) from error
                time.sleep(0.05)
            else:
                break
