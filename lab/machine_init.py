"""Process 1 of a machine: arranges the machine's own view of the file system, then becomes `supervisord`.

Run as `python machine_init.py JSON` inside new mount, PID and UTS namespaces, as a file so that nothing else of the
package is loaded. All mounts made here are seen by this machine only, and go with it.
"""

import json
import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

NODE_FOLDER = "/run/node"

# kubelet writes these for the whole host. A machine of the lab shows it files that hold the values already.
_KERNEL_TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def main() -> None:
    """Set the machine up and become its supervisord; on failure the machine ends with the error in its log."""
    settings = json.loads(sys.argv[1])
    for procs in settings["cgroups"]:
        Path(procs).write_text("0")
    socket.sethostname(settings["hostname"])
    _private_folders(Path(settings["folder"]), Path(settings["shared_run"]))
    if settings["kubelet"]:
        _private_tunables()
    # Kubernetes wants to pass mounts on to containers; from here they still do not reach the host.
    _mount("--make-rshared", "/")
    supervisord = Path(sysconfig.get_path("scripts")) / "supervisord"
    os.chdir("/")
    os.execv(supervisord, [str(supervisord), "-n", "-c", f"{NODE_FOLDER}/supervisord.conf"])  # noqa: S606


def _private_folders(folder: Path, shared_run: Path) -> None:
    """Own /run and /var/log in memory; in /run the machine's folder, and the lab's folder of sockets."""
    stage = folder / "run"
    stage.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(stage))
    node = stage / Path(NODE_FOLDER).name
    node.mkdir()
    _mount("--bind", str(folder), str(node))
    shared = stage / shared_run.relative_to("/run")
    shared.mkdir(parents=True)
    _mount("--bind", str(shared_run), str(shared))
    _mount("--rbind", str(stage), "/run")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/log")
    # The CNI library keeps its results there, and no setting changes that.
    cni = Path("/var/lib/cni")
    cni.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=700", "tmpfs", str(cni))


def _private_tunables() -> None:
    folder = Path("/run/tunables")
    folder.mkdir()
    for name, value in _KERNEL_TUNABLES.items():
        target = Path("/proc/sys") / name
        if target.exists():
            source = folder / name.replace("/", ".")
            source.write_text(value + "\n")
            _mount("--bind", str(source), str(target))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
