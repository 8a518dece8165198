"""One machine of a lab: a set of namespaces with `supervisord` as process 1 and programs under it."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import cgroups, machine_init
from lab.commands import environment, run
from lab.errors import LabError
from lab.machine_init import NODE_FOLDER
from lab.network import NAMESPACES
from lab.processes import MarkedProcess, end, marked_processes
from lab.state import LabFolders, write_atomically
from lab.supervision import Program, Supervisor, render

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_GONE_SECONDS = 1.0


class Machine:
    """A machine of a lab, running or not.

    Args:
        folders: the folders of its lab.
        name: its name within the lab.
        hostname: its host name.
        namespace: its network namespace; None for the host's own network.
    """

    def __init__(self, folders: LabFolders, name: str, *, hostname: str, namespace: str | None) -> None:
        self._folders = folders
        self.name = name
        self._hostname = hostname
        self._namespace = namespace
        self.folder = folders.machine(name)
        self.socket = folders.run / f"{name}.sock"
        self.supervisor = Supervisor(self.socket)

    def init(self) -> MarkedProcess | None:
        """The machine's process 1, or None if it does not run."""
        return next((process for process in self._processes() if process.is_machine_init), None)

    def ensure_running(
        self, programs: Sequence[Program], files: Mapping[str, str] | None = None, *, kubelet: bool = False
    ) -> None:
        """Start the machine with these programs and files.

        One that runs goes on, and only programs that are new, differ or are no longer wanted are started and stopped;
        but with other files it is started anew.

        Args:
            programs: what runs in it, in starting order.
            files: the programs' configuration, path below the machine's folder to content; readable by root only.
            kubelet: whether one of them is a kubelet, for which kernel settings are shown as it wants them.

        Raises:
            LabError: it does not come up; the message has the end of its log.
        """
        shared = f"{self._folders.run}/{self.socket.name}"
        files = files or {}
        config = render(programs, socket=shared, log_folder=f"{NODE_FOLDER}/log")
        # With the files' content in it, the file tells whether anything of the machine differs.
        config += f"; files: {hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()}\n"
        path = self.folder / "supervisord.conf"
        before = path.read_text() if path.exists() else ""
        if _frame(before) == _frame(config) and self.init() is not None and self.supervisor.answers():
            if before != config:
                write_atomically(path, config)
                self.supervisor.take_over_configuration()
            return
        self.stop(grace=_STOP_SECONDS if self.init() is not None else 0)
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        self._folders.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, content in files.items():
            write_atomically(self.folder / name, content, mode=0o600)
        write_atomically(path, config)
        self._start(kubelet=kubelet)

    def stop(self, *, grace: float) -> None:
        """End every process of the machine. With its process 1 the kernel ends all others and drops its mounts.

        Args:
            grace: seconds that its programs get to end by themselves; 0 for none.
        """
        mine = self._processes()
        # SIGTERM makes supervisord stop its programs in order; signalling those as well would make it restart them.
        inits = [process for process in mine if process.is_machine_init]
        if grace > 0 and inits:
            end(inits, grace=grace, name=f"machine {self.name}")
        end(mine, grace=0, name=f"machine {self.name}")
        self.socket.unlink(missing_ok=True)

    def run(self, command: Sequence[str | Path], *, stdin: str | None = None, timeout: float = 60) -> str:
        """Run a command inside the machine and return what it printed.

        Raises:
            LabError: the machine does not run, or the command fails.
        """
        init = self.init()
        if init is None:
            raise LabError(f"machine {self.name} of lab {self._folders.name} is not running")
        enter = ["nsenter", "--target", str(init.pid), "--net", "--mount", "--pid", "--uts"]
        return run([*enter, *command], stdin=stdin, env=environment(self._folders.name, self.name), timeout=timeout)

    def program_reasons(self) -> dict[str, str | None]:
        """Name of each of its programs, and why it does not run, or None if it does.

        Raises:
            LabError: the machine does not run, or its supervisord does not answer.
        """
        if self.init() is None:
            raise LabError("the machine is not running")
        reasons: dict[str, str | None] = {}
        for state in self.supervisor.states():
            reasons[state.name] = None
            if not state.running:
                reason = f"{state.state.lower()}: {state.description or 'not yet running for 2 s'}"
                last = _last_line(self.log(state.name))
                # The log of one that was stopped does not say why.
                reasons[state.name] = (
                    f"{reason}; last log line: {last}" if last and state.state != "STOPPED" else reason
                )
        return reasons

    def not_running_reason(self) -> str | None:
        """Why not all of its programs run, or None if they do; names the first that does not."""
        try:
            reasons = self.program_reasons()
        except LabError as error:
            return f"{self.name}: {error}"
        return next((f"{self.name}/{name}: {reason}" for name, reason in reasons.items() if reason is not None), None)

    def log(self, program: str) -> Path:
        """The log file of one of its programs."""
        return self.folder / "log" / f"{program}.log"

    def _start(self, *, kubelet: bool) -> None:
        cgroups.delete_machine_group(self._folders.name, self.name)
        groups = cgroups.ensure_machine_group(self._folders.name, self.name)
        settings = {
            "hostname": self._hostname,
            "folder": str(self.folder),
            "shared_run": str(self._folders.run),
            "cgroups": [str(group) for group in groups],
            "kubelet": kubelet,
        }
        enter = ["nsenter", f"--net={NAMESPACES / self._namespace}"] if self._namespace else []
        unshare = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        init = ["--propagation", "slave", sys.executable, "-P", machine_init.__file__, json.dumps(settings)]
        log = self.folder / "log" / "machine.log"
        with log.open("ab") as output:
            # --fork: the machine is nobody's child, so it neither ends with the caller nor stays behind as a zombie.
            subprocess.run(
                ["setsid", "--fork", *enter, *unshare, *init],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(self._folders.name, self.name),
                cwd="/",
                check=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        seen = time.monotonic()
        while not self.supervisor.answers():
            if self._processes():
                seen = time.monotonic()
            # Not at the first look: a process in the middle of an exec shows no environment.
            if time.monotonic() > min(deadline, seen + _GONE_SECONDS):
                tail = log.read_text(errors="replace")[-600:].strip()
                raise LabError(f"machine {self.name} of lab {self._folders.name} does not start (log {log}): {tail}")
            time.sleep(0.05)
        for process in self._processes():
            if not process.is_machine_init and len(process.namespace_pids) == 1:
                # `unshare` itself: out of the caller's group, with which a session manager may end it.
                for group in groups:
                    group.write_text(str(process.pid))

    def _processes(self) -> list[MarkedProcess]:
        return [process for process in marked_processes(self._folders.name) if process.machine == self.name]


def _frame(config: str) -> tuple[str, str]:
    """What of supervisord's configuration is no program's: its settings, and the line about files."""
    return config.partition("[program:")[0], config.rpartition("; files:")[2]


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
