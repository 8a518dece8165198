"""`spanmesh repair`: clear what an interrupted `pulumi up` left in Helm's records."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import err
from cli.project import ROOT, load_stack
from live.helm_records import delete_records, unfinished_records


def repair(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack whose clusters are looked at.")],
    cwd: Annotated[Path, typer.Option("--cwd", "-C", help="Folder of Pulumi.yaml.")] = ROOT,
) -> None:
    """Delete Helm's unfinished records of istio-base and istiod, so that `pulumi up` can go on.

    Only the records go; what Helm had already made stays and is taken up again.
    """
    declared = load_stack(stack, cwd)
    for name, access in declared.accesses.items():
        records = unfinished_records(access)
        delete_records(access, records)
        err.print(f"cluster {name}: " + (f"deleted {', '.join(records)}" if records else "nothing unfinished"))
