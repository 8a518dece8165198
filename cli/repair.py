"""`spanmesh repair`: clear what an interrupted `pulumi up` left in Helm's records."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import err
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiStack
from live.helm_records import delete_records, helm_records

RELEASE = "kubernetes:helm.sh/v3:Release"


def repair(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose clusters are looked at; default: the selected one.")
    ] = None,
    cwd: Annotated[Path, typer.Option("--cwd", "-C", help="Folder of Pulumi.yaml.")] = ROOT,
) -> None:
    """Delete Helm's records of releases that are unfinished, or that the stack's state does not know.

    `pulumi up` can then go on: what Helm had already made stays, and is taken up again.
    """
    declared = load_stack(stack, cwd)
    known = _releases_in_state(PulumiStack(cwd, declared.name, {}))
    for name, access in declared.accesses.items():
        records = [r for r in helm_records(access) if r.pending or (name, r.release) not in known]
        delete_records(access, records)
        deleted = ", ".join(str(record) for record in records)
        err.print(f"cluster {name}: " + (f"deleted {deleted}" if records else "nothing to repair"))


def _releases_in_state(stack: PulumiStack) -> set[tuple[str, str]]:
    """Cluster and release name of each Helm release that Pulumi knows."""
    resources: list[dict[str, Any]] = stack.read("stack", "export")["deployment"].get("resources") or []
    return {
        # A provider's reference ends in ::<name>::<id>, and its name is the cluster's.
        (resource["provider"].split("::")[-2], resource["outputs"]["name"])
        for resource in resources
        if resource["type"] == RELEASE and "name" in resource.get("outputs", {})
    }
