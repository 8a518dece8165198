"""The end of a pod without notice."""

import os
import signal

from lab.cgroups import lab_groups
from lab.errors import LabError


def crash_pod(lab: str, uid: str) -> int:
    """End every process of a pod at once, proxies as well; kubelet has to find out by itself, and starts them again.

    Args:
        lab: name of the lab.
        uid: the pod's metadata.uid.

    Returns:
        How many processes ended.

    Raises:
        LabError: the lab runs no such pod.
    """
    groups = {group for top in lab_groups(lab) for group in top.rglob(f"pod{uid}")}
    found = {
        int(line) for group in groups for procs in group.rglob("cgroup.procs") for line in procs.read_text().split()
    }
    for process in found:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:  # ended with another one of the pod
            continue
    if not found:
        raise LabError(f"lab {lab} runs no pod with uid {uid}")
    return len(found)
