"""`spanmesh changed-stacks`: which stacks a commit concerns, for a workflow that previews and updates only those."""

import json
from typing import Annotated

import typer

from cli.changes import changes
from cli.console import out
from cli.options import Cwd, TextOutput
from cli.project import ROOT
from cli.stack_files import stack_names


def changed_stacks(
    since: Annotated[
        str, typer.Option(help="Commit to compare HEAD with, from where both parted; empty: everything has changed.")
    ],
    among: Annotated[
        str | None, typer.Option(help="Stacks to look at, separated by spaces; default: every stack of the project.")
    ] = None,
    output: TextOutput = "text",
    cwd: Cwd = ROOT,
) -> None:
    """List the stacks whose file, mesh file, other named files, or program changed since a commit.

    As JSON also in which order they are to be brought up: a divided mesh takes three rounds.
    """
    found = changes(cwd, stack_names(cwd) if among is None else among.split(), since)
    if output == "json":
        typer.echo(json.dumps({"changed": found.changed, "updates": found.updates}))
        return
    for stack in found.changed:
        out.print(stack, markup=False, highlight=False)
