"""`spanmesh rotate`: another root, or another intermediate for a cluster, while the mesh carries traffic."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, step
from cli.options import Cwd, Format, Output
from cli.project import ROOT, selected_stack
from cli.pulumi import PulumiError
from cli.rotation.declaring import MEANING, Step, preceding, steps_after
from cli.rotation.intermediates import IntermediateRotation
from cli.rotation.root import NO_WAY_BACK, NewRoot, RootRotation
from cli.rotation.run import Run, StoppedError
from live.reachability import UnreachableError
from topology import MeshConfigError
from topology.root_rotation import Stage

STOPPED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
PATIENCE_SECONDS = 300
AGAIN = "Nothing is broken: run the same again, and it goes on from here"

app = typer.Typer(no_args_is_help=True, help="Replace the root, or intermediates, while the mesh carries traffic.")


class To(StrEnum):
    """Where the new root comes from."""

    NEW = "new"
    PROVIDED = "provided"


StackOption = Annotated[
    str | None, typer.Option("--stack", "-s", help="Stack with the mesh's trust; default: the selected one.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Seconds = Annotated[int, typer.Option("--timeout", min=1, help="For how many seconds each stage is waited for.")]


@app.command()
def root(  # noqa: PLR0913, PLR0917 - each is an option
    stack: StackOption = None,
    to: Annotated[To, typer.Option(help="`new`: Pulumi makes the new root. `provided`: its key is kept elsewhere.")] = (
        To.NEW
    ),
    root_certificate: Annotated[
        str | None,
        typer.Option(help="With `--to provided`: file of the new root's certificate, from the folder of Pulumi.yaml."),
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="One stage back instead.")] = False,
    edit_only: Annotated[
        bool, typer.Option("--edit-only", help="Only write the next stage into the stack file, for a pull request.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Replace even a root that a rotation made within the last hour.")
    ] = False,
    yes: Yes = False,
    timeout: Seconds = PATIENCE_SECONDS,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """Replace the mesh's root in stages, each once every istiod and every proxy holds the one before.

    Each stage is written into the stack file, brought up by `pulumi up`, and counted from the proxies themselves. The
    command can be interrupted at any point and run again. Exit code 0: done. 1: it stopped, and says for what. 2: wrong
    input.
    """
    with _reported(output) as result:
        name = stack or selected_stack(cwd)
        wanted = NewRoot("provided" if to is To.PROVIDED else "generated", root_certificate, again)
        rotation = RootRotation(Run(name, cwd, timeout, step), wanted)
        result.update(stack=name, stage=rotation.stage.value, finished=False, edited=None)
        steps = _steps(rotation.stage, rollback, edit_only)
        if edit_only:
            if not steps:
                raise StoppedError("there is nothing to roll back", [NO_WAY_BACK])
            _edit(rotation, steps[0], result)
            return
        _show_plan(name, rotation.stage, steps)
        if not yes and steps:
            typer.confirm("Go on?", abort=True, err=True)
        try:
            if rollback:
                rotation.back()
            else:
                rotation.forward()
                result["finished"] = True
        finally:
            result["stage"] = rotation.stage.value


def _steps(stage: Stage, rollback: bool, only_one: bool) -> list[Step]:
    if rollback:
        back = preceding(stage)
        return [back] if back else []
    steps = steps_after(stage)
    return steps[:1] if only_one else steps


def _edit(rotation: RootRotation, following: Step, result: dict[str, object]) -> None:
    path = rotation.write(following)
    result.update(edited=str(path), stage=following.value)
    step(f"{path}: stage {following}: {MEANING[following]}")


def _show_plan(name: str, stage: Stage, steps: Sequence[Step]) -> None:
    table = Table("stage", "what is declared", title=f"Root of stack {name}: stage {stage}", title_justify="left")
    for each in steps:
        table.add_row(each.value, MEANING[each])
    err.print(table)
    err.print(
        "Each is one `pulumi up`, which brings up whatever else the stack file declares too. No pod is restarted.",
        soft_wrap=True,
    )


@app.command()
def intermediate(
    stack: StackOption = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option("--cluster", help="Only this cluster's. Repeatable; default: one after the other."),
    ] = None,
    edit_only: Annotated[
        bool, typer.Option("--edit-only", help="Only write it into the stack file, for a pull request.")
    ] = False,
    yes: Yes = False,
    timeout: Seconds = PATIENCE_SECONDS,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """Make a new key and certificate for the intermediates by which istiods sign, one cluster after the other.

    Proxies keep the certificates that they have, which stay valid, and get those of the new one when they renew them.
    Exit code 0: done. 1: it stopped, and says for what. 2: wrong input.
    """
    with _reported(output) as result:
        name = stack or selected_stack(cwd)
        rotation = IntermediateRotation(Run(name, cwd, timeout, step), cluster or [])
        listed = ", ".join(rotation.clusters)
        result.update(stack=name, rotated=rotation.done, edited=None)
        if edit_only:
            result["edited"] = str(rotation.write(rotation.clusters))
            step(f"{result['edited']}: another intermediate for {listed}")
            return
        err.print(f"New intermediates, one `pulumi up` after the other: {listed}", soft_wrap=True)
        if not yes:
            typer.confirm("Go on?", abort=True, err=True)
        rotation.carry_out()


@contextmanager
def _reported(output: Format) -> Iterator[dict[str, object]]:
    """Collects the result, prints it, and ends the command as its errors ask for."""
    result: dict[str, object] = {"lacking": []}
    try:
        yield result
    except StoppedError as error:
        result["lacking"] = list(error.lacking)
        _print(result, output)
        _fail(f"{error}\n{AGAIN}", STOPPED)
    except (PulumiError, UnreachableError) as error:
        result["lacking"] = [str(error)]
        _print(result, output)
        _fail(f"{error}\n{AGAIN}", STOPPED)
    except MeshConfigError as error:
        _fail(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        err.print(f"interrupted. {AGAIN}")
        raise typer.Exit(INTERRUPTED) from None
    _print(result, output)


def _print(result: dict[str, object], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(json.dumps(result, indent=2))


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)
