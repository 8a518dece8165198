"""Whether this machine can run a lab. Everything that is missing is said at once."""

import ctypes
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab import cgroups
from lab.commands import find_program, run
from lab.errors import LabError
from lab.state import state_root
from toolchain import ToolError, cache_root, ensure_packages

_MIN_MEMORY = 6 * 1024**3
_MIN_DISK = 8 * 1024**3
# Seen: 16 for all programs of a region's first node; a little more for what its pods open as root.
_REGION_WATCHES = 20
_WATCH_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_PROBE_NAMESPACE = "preflight-spanmesh"


def check_machine() -> None:
    """Check that a lab can run here. Packages of the distribution that are still to be installed are no obstacle.

    Raises:
        LabError: it cannot; the message lists all that is missing, with the cure.
    """
    _refuse_if(missing_requirements())


def prepare_machine(note: Callable[[str], None]) -> None:
    """Check that a lab can run here, installing the packages of the distribution that it needs.

    Args:
        note: told what is going to be installed.

    Raises:
        LabError: it cannot, or a package cannot be installed.
    """
    check_machine()
    try:
        installed = ensure_packages(note)
    except ToolError as error:
        raise LabError(str(error)) from error
    if installed:
        # Some checks need those programs.
        check_machine()


def check_watches(new_regions: int) -> None:
    """Check that the kernel allows the watches on files that Kubernetes opens in regions that are still to start.

    Args:
        new_regions: number of these regions.

    Raises:
        LabError: it does not; without them a kubelet or containerd runs and does nothing.
    """
    wanted = new_regions * _REGION_WATCHES
    free = _free_watches(wanted)
    if free < wanted:
        limit = int(_WATCH_LIMIT.read_text())
        cure = 1 << (limit + wanted).bit_length()
        raise LabError(
            f"inotify instances: only {free} of this user's {limit} are free, and {new_regions} new region(s) need "
            f"{wanted}; `sysctl -w fs.inotify.max_user_instances={cure}` allows more, or take another lab down"
        )


def _free_watches(wanted: int) -> int:
    """How many inotify instances can be had, counted up to `wanted`: the kernel tells only by giving them."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[int] = []
    try:
        while len(opened) < wanted and (descriptor := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            opened.append(descriptor)
        return len(opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def missing_requirements() -> list[str]:
    """What this machine lacks for a lab, one line each; empty if nothing."""
    if platform.system() != "Linux":
        return [f"Linux: this is {platform.system()}; use a Linux machine or a virtual one"]
    if os.geteuid() != 0:
        # Without root the other checks cannot be made.
        return ["root: network namespaces and containers need it; run again as root, for example with sudo"]
    return [*_resources(), *_folders(), *_kernel()]


def _refuse_if(missing: list[str]) -> None:
    if missing:
        listed = "\n".join(f"  - {each}" for each in missing)
        raise LabError(
            f"This machine cannot run the lab:\n{listed}\n"
            "The mesh itself does not need the lab: name real clusters by their kubeconfig in "
            "stacks/Pulumi.<stack>.yaml, and everything but `spanmesh lab` and `spanmesh demo` works from here."
        )


def _resources() -> list[str]:
    missing = []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory < _MIN_MEMORY:
        missing.append(f"memory: {memory / 1024**3:.1f} GiB, two regions with a mesh need 6 GiB")
    for folder in {state_root(), cache_root()}:
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        if free < _MIN_DISK:
            missing.append(
                f"disk: {free / 1024**3:.1f} GiB free at {existing}, 8 GiB are needed; make room, or point "
                "SPANMESH_STATE and SPANMESH_CACHE to another disk"
            )
    return missing


def _folders() -> list[str]:
    # Machines of a lab have a /run and a /var/log of their own, so they would not see these.
    return [
        f"{variable} must not lie in {hidden}: the lab's machines cannot see it there"
        for variable, folder in (("SPANMESH_STATE", state_root()), ("SPANMESH_CACHE", cache_root()))
        for hidden in (Path("/run"), Path("/var/log"))
        if folder.resolve().is_relative_to(hidden)
    ]


def _kernel() -> list[str]:
    """Try each feature for real: a list of modules says little about a container or an own kernel."""
    missing = []
    controllers = cgroups.missing_controllers()
    if controllers:
        missing.append(f"cgroup controllers {', '.join(sorted(controllers))}: mount or enable them")
    else:
        reason = _failure(_try_cgroup)
        if reason:
            missing.append(f"writable cgroups: {reason}")
    attempts = [
        ("mount and PID namespaces", _try_unshare),
        (f"overlay file system below {state_root()}", _try_overlay),
    ]
    if find_program("ip") and find_program("iptables-restore"):
        attempts.append(("network namespaces with bridge, veth, iptables NAT", _try_network))
    for what, attempt in attempts:
        reason = _failure(attempt)
        if reason:
            missing.append(f"{what}: {reason}")
    if not Path("/proc/sys/net/bridge").exists() and _failure(_load_bridge_filter):
        missing.append("bridge packet filter: load it with `modprobe br_netfilter`")
    return missing


def _failure(attempt: Callable[[], None]) -> str | None:
    try:
        attempt()
    except (LabError, OSError) as error:
        return str(error)
    return None


def _try_cgroup() -> None:
    # Its id in the name, here too.
    name = f"preflight-{os.getpid()}"
    cgroups.ensure_machine_group(name, "probe")
    cgroups.delete_lab_groups(name)


def _try_unshare() -> None:
    run(["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc", "true"])


def _try_network() -> None:
    # Its id in the name: two commands may check at once.
    name = f"{_PROBE_NAMESPACE}-{os.getpid()}"
    run(["ip", "netns", "add", name])
    try:
        run(["ip", "-n", name, "link", "add", "probe0", "type", "bridge"])
        run(["ip", "-n", name, "link", "add", "probe1", "type", "veth", "peer", "name", "probe2"])
        rules = (
            "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 1 -j DNAT --to-destination 127.0.0.1:2\n"
            "-A PREROUTING -m statistic --mode random --probability 0.5 -j RETURN\n-A POSTROUTING -j MASQUERADE\n"
            "COMMIT\n*filter\n-A FORWARD -m conntrack --ctstate DNAT -m comment --comment probe -j ACCEPT\nCOMMIT\n"
        )
        run(["nsenter", f"--net=/run/netns/{name}", "iptables-restore", "-w", "5"], stdin=rules)
    finally:
        run(["ip", "netns", "delete", name])


def _try_overlay() -> None:
    base = next(parent for parent in (state_root(), *state_root().parents) if parent.exists())
    with tempfile.TemporaryDirectory(dir=base, prefix=".preflight-spanmesh-") as folder:
        for name in ("lower", "upper", "work", "merged"):
            (Path(folder) / name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        # Inside a mount namespace that ends with the command, so that nothing stays mounted.
        mount = ["mount", "-t", "overlay", "-o", options, "overlay", f"{folder}/merged"]
        run(["unshare", "--mount", "--propagation", "private", *mount])


def _load_bridge_filter() -> None:
    run(["modprobe", "br_netfilter"])
