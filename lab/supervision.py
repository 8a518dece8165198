"""The programs of one machine under `supervisord`: its configuration, and talking to it over its Unix socket."""

import http.client
import resource
import shlex
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from lab.errors import LabError

_LOG_BYTES = 10 * 1024 * 1024
_WANTED_FILES = 65536
# Fault codes of supervisord.
_ALREADY_STARTED = 60
_NOT_RUNNING = 70


@dataclass(frozen=True)
class Program:
    """One program of a machine.

    Attributes:
        name: what it is called in `status` and `logs`.
        command: program and arguments.
        environment: variables on top of the machine's own.
        autostart: whether it starts with the machine; else `up` starts it once what it needs is there.
        stop_seconds: how long it may take to end after SIGTERM before it gets SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    autostart: bool = True
    stop_seconds: int = 10


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of one program: its state (RUNNING, BACKOFF, ...), and in words why."""

    name: str
    state: str
    description: str
    seconds_running: float

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.state == "RUNNING"


def render(programs: Sequence[Program], *, socket: str, log_folder: str) -> str:
    """The configuration file of a machine's supervisord.

    Args:
        programs: in starting order.
        socket: path of its control socket, as the machine sees it.
        log_folder: folder of all logs, as the machine sees it.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _WANTED_FILES if limit == resource.RLIM_INFINITY else min(_WANTED_FILES, limit)
    lines = [
        "[supervisord]",
        "user=root",
        "nodaemon=true",
        f"logfile={log_folder}/supervisord.log",
        f"logfile_maxbytes={_LOG_BYTES}",
        "logfile_backups=1",
        "pidfile=/run/supervisord.pid",
        f"minfds={files}",
        "[unix_http_server]",
        f"file={socket}",
        "chmod=0700",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for priority, program in enumerate(programs, start=1):
        lines += [
            f"[program:{program.name}]",
            f"command={' '.join(_quote(word) for word in program.command)}",
            f"priority={priority}",
            f"autostart={'true' if program.autostart else 'false'}",
            "autorestart=true",
            "startsecs=2",
            "startretries=1000000",
            f"stopwaitsecs={program.stop_seconds}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={log_folder}/{program.name}.log",
            f"stdout_logfile_maxbytes={_LOG_BYTES}",
            "stdout_logfile_backups=1",
        ]
        if program.environment:
            pairs = ",".join(f"{key}={_quote(value)}" for key, value in program.environment.items())
            lines.append(f"environment={pairs}")
    return "\n".join(lines) + "\n"


def _quote(word: str) -> str:
    # supervisord splits as a shell does, but first expands %(name)s and takes ` ;`, quoted or not, for a comment.
    return shlex.quote(word.replace("%", "%%")).replace(" ;", " '';")


class Supervisor:
    """One machine's supervisord, reached over its socket on the host."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def answers(self) -> bool:
        """Whether it is there and answering."""
        try:
            return bool(self._call("getState")["statecode"] == 1)
        except LabError:
            return False

    def states(self) -> list[ProgramState]:
        """The state of every program.

        Raises:
            LabError: supervisord does not answer.
        """
        return [
            ProgramState(
                name=info["name"],
                state=info["statename"],
                description=info["spawnerr"] or info["description"],
                seconds_running=float(max(0, info["now"] - info["start"])) if info["statename"] == "RUNNING" else 0.0,
            )
            for info in self._call("getAllProcessInfo")
        ]

    def start(self, *names: str) -> None:
        """Start programs that do not run; those that do are left alone.

        Raises:
            LabError: supervisord does not answer or does not know one of them.
        """
        running = {state.name for state in self.states() if state.state in {"RUNNING", "STARTING"}}
        for name in names:
            if name not in running:
                self._call("startProcess", name, False, ignore=_ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Stop a program if it runs, waiting until it is gone."""
        self._call("stopProcess", name, True, ignore=_NOT_RUNNING)

    def take_over_configuration(self) -> None:
        """Bring the programs to what the configuration file says now; those that did not change go on running.

        Raises:
            LabError: supervisord does not answer or refuses the file.
        """
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def _call(self, method: str, *arguments: object, ignore: int | None = None) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return cast(Any, getattr(proxy.supervisor, method)(*arguments))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == ignore:
                return None
            raise LabError(f"supervisord at {self._socket} refuses {method}{arguments}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise LabError(f"supervisord at {self._socket} does not answer: {error}") from error
        finally:
            transport.close()
