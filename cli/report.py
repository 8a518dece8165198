"""`spanmesh report`: one HTML page of how the mesh is, for the browser, for paper, or served and kept up to date."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import err, fail, out, step
from cli.options import AskedStack, Cwd
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiError
from cli.report_contents import Sight, looks
from cli.report_server import ReportServer
from cli.verify import ended_by_signals, exit_code
from health.check import State
from live.probe import ProbeError
from live.verification import Verification
from report import Contents, render
from topology import MeshConfigError

CANNOT_TELL = 2
POLL_SECONDS = 2
OUTPUT = "spanmesh-report.html"


def report(  # noqa: PLR0913, PLR0917 - each is an option of the command
    stack: AskedStack = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"File to write; default: {OUTPUT}, with --watch none.")
    ] = None,
    no_traffic: Annotated[
        bool, typer.Option("--no-traffic", help="Send no requests: nothing is made in any cluster.")
    ] = False,
    disruptive: Annotated[
        bool, typer.Option("--disruptive", help="Also make the drills of `verify --disruptive`, once; each is undone.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve the page on this machine, look again and again, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1, with --watch; 0: a free one.")] = 8090,
    interval: Annotated[int, typer.Option(min=1, help="Seconds between two looks, with --watch.")] = 15,
    cwd: Cwd = ROOT,
) -> None:
    """Write one HTML page of how the mesh is: findings, picture, traffic, certificates, policy and drift, clusters.

    The page needs nothing but itself. Requests are sent by the probe of `spanmesh verify`, which is removed again. Exit
    code as of `verify`. 0: all is ok, or there are warnings only. 1: a check failed, or the page could not be written.
    2: nothing failed, but not everything could be told; or what is declared or asked is wrong.
    """
    if disruptive and no_traffic:
        raise typer.BadParameter("drills are watched by requests: keep one of the two", param_hint="--disruptive")
    try:
        sight = Sight.of(load_stack(stack, cwd), traffic=not no_traffic, disruptive=disruptive)
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    try:
        with ended_by_signals():
            if watch:
                _watch(sight, output, port, interval)
            else:
                _once(sight, output or Path(OUTPUT))
    except ProbeError as error:
        fail(str(error))


def _once(sight: Sight, file: Path) -> None:
    with sight.probe() as probe:
        seen = sight.look(probe)
    _write(file, render(seen))
    out.print(f"{file}: {summary(seen)}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code(Verification(seen.observed, seen.results, 1, seen.seconds)))


def _write(file: Path, html: str) -> None:
    try:
        file.write_text(html, encoding="utf-8")
    except OSError as error:
        fail(f"--output: {file} cannot be written: {error.strerror}. Name a file in a folder that is there")


def summary(seen: Contents) -> str:
    """``2 failed, 1 warning, 0 skipped, 34 ok``."""
    counts = {state: sum(each.state is state for each in seen.results) for state in State}
    order = (State.FAILED, State.WARNING, State.SKIPPED, State.OK)
    return ", ".join(f"{counts[state]} {state}" for state in order)


def _watch(sight: Sight, file: Path | None, port: int, interval: int) -> None:
    server: list[ReportServer] = []

    def show(seen: Contents) -> None:
        html = render(seen, POLL_SECONDS)
        if file:
            _write(file, render(seen))
        server[0].show(html)
        step(f"{server[0].url} {summary(seen)}")

    def pause() -> bool:
        time.sleep(interval)
        return True

    try:
        server.append(ReportServer(port, _WAITING))
    except OSError as error:
        fail(f"--port: {port} on 127.0.0.1 cannot be had: {error.strerror}. Give another one, or 0 for a free one")
    with server[0].serving():
        step(f"serving {server[0].url}, until Ctrl-C")
        looks(sight, show, pause)


_WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="light dark"><title>Looking at the mesh</title></head>
<body><main><h1>Looking at the mesh</h1><p>The report is here as soon as every cluster was asked.</p></main></body>
</html>
"""
