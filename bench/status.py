"""Seconds and memory of `spanmesh status`: python -m bench.status --help.

Every figure is of the whole command, from its start to its exit code. Fifty clusters are stand-ins on the loopback with
TLS, ports of pods included; those that are dead take connections and say nothing. Two clusters are those of a lab.
"""

import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from bench.stand_in_cluster import VERSION, Authority, kubeconfig, silent, stand_ins
from bench.table import print_table, spread
from cli.console import err
from cli.project import ROOT

MIB = 2**20
STACK = "bench"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: which clusters.
        clusters: how many.
        dead: how many of them do not answer.
        seconds: of each run.
        cpu: seconds of processor of each run, of which a machine with other work gives less at a time.
        memory: bytes resident at the peak of the largest run.
        exit_codes: of each run.
        most: seconds within which it should be done.
    """

    what: str
    clusters: int
    dead: int
    seconds: Sequence[float]
    cpu: Sequence[float]
    memory: int
    exit_codes: Sequence[int]
    most: float


def measured(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float, int, int]:
    """Seconds, seconds of processor, peak of resident bytes and exit code of one run of the command."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        running = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "status", *arguments, "-o", "json"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        _, waited, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(waited)
        seconds = time.monotonic() - started
        output.seek(0)
        said: dict[str, Any] = json.loads(output.read())
    for each in said["clusters"]:
        err.print(f"    {each['cluster']}: {each['state']}, {each['seconds']:.1f} s", highlight=False)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, running.returncode


@contextmanager
def mesh_of_stand_ins(clusters: int, dead: int) -> Iterator[Path]:
    """A project folder with a stack of so many clusters, the last ``dead`` of which say nothing."""
    names = [f"cluster{n}" for n in range(1, clusters + 1)]
    authority = Authority()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    # A process of its own: its memory and its interpreter are not the command's.
    process = context.Process(target=_serve, args=(names[: clusters - dead], names, authority, theirs))
    process.start()
    try:
        ports = ours.recv()
        with silent(dead) as silent_ports, tempfile.TemporaryDirectory(prefix="spanmesh-bench-") as folder:
            project = Path(folder)
            ports |= dict(zip(names[clusters - dead :], silent_ports, strict=True))
            (project / "kubeconfig").write_text(kubeconfig(ports, authority))
            (project / "Pulumi.yaml").write_text("{name: spanmesh, runtime: python, stackConfigDir: stacks}")
            (project / "stacks").mkdir()
            (project / "stacks" / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": _config(names)}))
            yield project
    finally:
        ours.send("end")
        process.join()


def _serve(alive: Sequence[str], names: Sequence[str], authority: Authority, pipe: Connection) -> None:
    with stand_ins(alive, names, authority) as ports:
        pipe.send(ports)
        pipe.recv()


def _config(names: Sequence[str]) -> dict[str, Any]:
    declared = [
        {
            "name": name,
            "network": f"network-{name}",
            "apiServer": f"https://{name}.example.com:6443",
            "kubeconfig": {"path": "kubeconfig", "context": name},
        }
        for name in names
    ]
    return {"spanmesh:mesh": {"istio": {"version": VERSION}, "clusters": declared}}


def main(
    clusters: Annotated[int, typer.Option(min=2, help="Number of stand-ins.")] = 50,
    dead: Annotated[int, typer.Option(min=0, help="How many of them do not answer.")] = 5,
    runs: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    lab_stack: Annotated[
        str, typer.Option(help="Stack that is up on the lab of the environment (`spanmesh env`); empty: none.")
    ] = "lab",
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure the command on a lab's mesh and on stand-ins."""
    figures = []
    if lab_stack:
        err.print(f"[bold]==>[/] stack {lab_stack} of the lab")
        taken = [measured(["--stack", lab_stack], {}) for _ in range(runs)]
        figures.append(_figure("a lab's clusters", 2, 0, taken, 3))
    with mesh_of_stand_ins(clusters, dead) as project:
        err.print(f"[bold]==>[/] {clusters} stand-ins, {dead} of them dead")
        taken = [measured(["--stack", STACK, "--cwd", str(project)], {}) for _ in range(runs)]
        figures.append(_figure("stand-ins", clusters, dead, taken, 15))
    if output == "json":
        typer.echo(json.dumps([asdict(each) for each in figures], indent=2))
        return
    names = ("clusters", "number", "dead", "seconds", "at most", "CPU seconds", "memory", "exit codes")
    rows = [
        (
            each.what,
            str(each.clusters),
            str(each.dead),
            spread(each.seconds),
            f"{each.most:.0f}",
            spread(each.cpu),
            f"{each.memory / MIB:.0f} MiB",
            ", ".join(map(str, each.exit_codes)),
        )
        for each in figures
    ]
    print_table(names, rows, markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, {platform.machine()}, load of the last minute {os.getloadavg()[0]:.1f}")


def _figure(what: str, clusters: int, dead: int, taken: Sequence[tuple[float, float, int, int]], most: float) -> Figure:
    seconds, cpu, memory, codes = zip(*taken, strict=True)
    return Figure(what, clusters, dead, seconds, cpu, max(memory), codes, most)


if __name__ == "__main__":
    typer.run(main)
