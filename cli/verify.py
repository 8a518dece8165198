"""`spanmesh verify`: named checks in order, then real traffic between all clusters."""

import difflib
import signal
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.console import err, step
from cli.drift import expected
from cli.options import AskedStack, Cwd
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiError
from cli.verify_output import Format, show
from health.checks import DRILLS
from health.examination import Examined
from live.probe import REQUESTS, ProbeError
from live.verification import EVERY, TIMEOUT_SECONDS, Verification
from live.verification import verify as verify_mesh
from topology import MeshConfigError, Problem

FAILED, CANNOT_TELL = 1, 2


def verify(
    stack: AskedStack = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TABLE,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this check. Repeatable.")] = None,
    timeout: Annotated[
        int, typer.Option(min=1, help="Seconds for which everything is looked at again while something fails.")
    ] = TIMEOUT_SECONDS,
    requests: Annotated[int, typer.Option(min=1, help="Requests from each cluster's client at the least.")] = REQUESTS,
    disruptive: Annotated[
        bool,
        typer.Option(
            "--disruptive",
            help="Then also disturb traffic, and undo it: servers of the probe fail, a pod of an east-west gateway is "
            "deleted, a remote Secret is rewritten.",
        ),
    ] = False,
    cwd: Cwd = ROOT,
) -> None:
    """Prove that the mesh works: named checks, cheapest first, then requests from every cluster to every other.

    The probe that sends them has a namespace of its own, spanmesh-probe, which is removed again. Exit code 0: all is
    ok, or there are warnings only. 1: something failed, or the probe could not be removed. 2: neither, but not
    everything could be told; or what is declared or asked is wrong.
    """
    try:
        declared = load_stack(stack, cwd)
        checks = chosen([*EVERY, *(DRILLS if disruptive else ())], only or [])
        policy = expected(declared)
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    try:
        with ended_by_signals():
            found = verify_mesh(
                declared.mesh,
                declared.accesses,
                checks,
                expected=policy,
                seconds=timeout,
                requests=requests,
                progress=step,
            )
    except ProbeError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from error
    show(declared.name, found, output, exit_code(found))
    if found.left:
        err.print(f"[bold red]error:[/] {escape(found.left)}", soft_wrap=True)
    raise typer.Exit(exit_code(found))


def exit_code(found: Verification) -> int:
    """1: a check failed, or the probe is not gone; 2: neither, and not everything could be told; 0: all is well."""
    if found.failed or found.left:
        return FAILED
    return CANNOT_TELL if found.untold else 0


def chosen(known: Sequence[Examined], names: Sequence[str]) -> list[Examined]:
    """The checks of these names, in their own order; all of them where none is named.

    Raises:
        MeshConfigError: there is no such check.
    """
    all_names = [each.check.name for each in known]
    for name in names:
        if name not in all_names:
            if name in [each.check.name for each in DRILLS]:
                cause = f"{name} disturbs traffic"
                raise MeshConfigError([Problem("--only", cause, "Say --disruptive as well, where that may be")])
            near = difflib.get_close_matches(name, all_names, n=1)
            cure = f"Did you mean {near[0]}?" if near else f"There are {', '.join(all_names)}"
            raise MeshConfigError([Problem("--only", f"{name} is no check", cure)])
    return [each for each in known if not names or each.check.name in names]


@contextmanager
def ended_by_signals() -> Any:
    """Let SIGTERM end the block as Ctrl-C does, so that what was made is removed."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
