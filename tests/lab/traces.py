"""What a lab leaves on a machine: everything that `down` has to take away."""

import subprocess
from pathlib import Path

from lab.commands import LAB_MARKER
from lab.plan import namespace_prefix
from lab.state import RUN_ROOT, state_root

CGROUPS = Path("/sys/fs/cgroup")


def traces(name: str) -> list[str]:
    """Everything of one lab that is on this machine now, a line each."""
    found = [f"process {pid} ({command})" for pid, command in processes(name)]
    namespaces, groups = Path("/run/netns"), [*CGROUPS.glob(f"spanmesh/{name}"), *CGROUPS.glob(f"*/spanmesh/{name}")]
    if namespaces.is_dir():
        found += [f"namespace {path}" for path in namespaces.glob(namespace_prefix(name) + "*")]
    found += [f"cgroup {path}" for path in groups]
    found += sorted({f"mount {line}" for line in _mounts() if _is_of(name, line)})
    folders = (state_root() / "labs" / name, RUN_ROOT / name, Path(f"/run/lock/spanmesh-lab-{name}"))
    return found + [f"file {path}" for path in folders if path.exists()]


def processes(name: str) -> list[tuple[int, str]]:
    """Id and command of every process of one lab: by its environment, or by the control group of a container."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            marked = f"{LAB_MARKER}={name}".encode() in environment
            contained = f"/spanmesh/{name}/" in (folder / "cgroup").read_text()
            if (marked or contained) and "\nState:\tZ" not in (folder / "status").read_text():
                found.append((int(folder.name), (folder / "comm").read_text().strip()))
        except OSError:
            continue
    return found


def host_network() -> str:
    """The host's own links, addresses and packet filter, which no lab may touch."""
    commands = (["ip", "-o", "link"], ["ip", "-o", "address"], ["ip", "route"], ["iptables-save"])
    said = "".join(subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in commands)
    # Counters and times of day.
    return "\n".join(line for line in said.splitlines() if not line.startswith(("#", ":")))


def _mounts() -> list[str]:
    lines: list[str] = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines += table.read_text().splitlines()
        except OSError:
            continue
    return lines


def _is_of(name: str, line: str) -> bool:
    return namespace_prefix(name) in line or f"/labs/{name}/" in line or f"/spanmesh/{name} " in line
