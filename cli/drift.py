"""`spanmesh drift`: what is declared and installed, held against what the clusters hold."""

import difflib
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table

from cli.console import err, out
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError
from cli.stack_files import stack_config
from live.drift import ClusterDrift, Deviation, Difference, Expected, drift_of
from policy.files import read_items
from policy.finding import Finding
from policy.review import gather
from policy.world import Placed
from topology import MeshConfigError, Problem
from topology.division import GROUP
from topology.revisions import istiods

DRIFT, CANNOT_TELL = 1, 2
COLORS = {"in step": "green", "drift": "red", "unknown": "yellow"}


def drift(
    stack: AskedStack = None,
    output: Output = Format.TABLE,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", help="Only this cluster. Repeatable.")] = None,
    cwd: Cwd = ROOT,
) -> None:
    """Compare declared policy, and what Helm installed of Istio, with what every cluster holds. Nothing is changed.

    Exit code 0: in step. 1: something is missing, different or extra. 2: nothing of that, but not every cluster
    can be told; or what is declared is wrong.
    """
    try:
        declared = load_stack(stack, cwd)
        accesses = {name: declared.accesses[name] for name in chosen(list(declared.accesses), cluster or [])}
        found = drift_of(accesses, expected(declared), _progress)
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(declared.name, found), indent=2))
    else:
        _print(found)
    raise typer.Exit(exit_code(found))


def chosen(known: list[str], asked: list[str]) -> list[str]:
    """The clusters to be asked: those named, or all.

    Raises:
        MeshConfigError: one is not a cluster of the stack.
    """
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"Did you mean {near[0]}?" if near else f"Its clusters: {', '.join(known)}"
            raise MeshConfigError([Problem("--cluster", f"{name} is no cluster of this stack", cure)])
    return [name for name in known if name in asked] if asked else known


def expected(declared: Stack) -> Expected:
    """What the clusters of a stack should hold by what it declares.

    Of a divided mesh, policy is the stack's with trust and links, Helm's releases are each group's.

    Raises:
        MeshConfigError: it cannot be told which policy is declared.
    """
    group = stack_config(declared.project, declared.name).get(GROUP)
    placed = () if group else _placed(declared)
    own = bool(group) or not declared.mesh.groups
    return Expected(declared.name, placed, releases=own, istiods=istiods(declared.mesh))


def _placed(declared: Stack) -> Sequence[Placed]:
    gathered = gather(declared.mesh, read_items(declared.mesh.policies, declared.project))
    if errors := [each for each in gathered.findings if each.stops]:
        raise MeshConfigError([_problem(each) for each in errors])
    return gathered.placed


def _problem(finding: Finding) -> Problem:
    return Problem(f"{finding.file}:{finding.line}", f"{finding.rule.code} {finding.message}", finding.rule.cure)


def exit_code(found: list[ClusterDrift]) -> int:
    """0: all in step; 1: something drifted; 2: nothing did as far as can be told, and some clusters cannot be told."""
    if any(each.deviations for each in found):
        return DRIFT
    return CANNOT_TELL if any(each.unknown for each in found) else 0


def state(found: ClusterDrift) -> str:
    """``in step``, ``drift`` or ``unknown``."""
    if found.unknown:
        return "unknown"
    return "drift" if found.deviations else "in step"


def as_json(stack: str, found: list[ClusterDrift]) -> dict[str, Any]:
    """The result as docs/operations.md describes it.

    Args:
        stack: the stack's name.
        found: what each cluster says.
    """
    return {
        "stack": stack,
        "state": {0: "in step", DRIFT: "drift", CANNOT_TELL: "unknown"}[exit_code(found)],
        "clusters": [
            {
                "cluster": each.cluster,
                "state": state(each),
                "reason": each.unknown or None,
                "compared": each.compared,
                "objects": [_object(deviation) for deviation in each.deviations],
            }
            for each in found
        ],
    }


def _object(deviation: Deviation) -> dict[str, Any]:
    return {
        "state": deviation.state,
        "source": deviation.source,
        "apiVersion": deviation.api_version,
        "kind": deviation.kind,
        "namespace": deviation.namespace or None,
        "name": deviation.name,
        "cure": deviation.cure,
        "fields": [
            {"path": each.path, "change": each.change, "by": each.by or None, "time": each.time or None}
            for each in deviation.differences
        ],
        "diff": deviation.diff or None,
    }


def _progress(found: ClusterDrift) -> None:
    err.print(f"[bold]==>[/] {escape(found.cluster)}: {_told(found)}", soft_wrap=True)


def _told(found: ClusterDrift) -> str:
    if found.unknown:
        return f"unknown: {escape(found.unknown)}"
    return f"{found.compared} objects compared, {len(found.deviations)} not in step"


def _print(found: list[ClusterDrift]) -> None:
    table = Table("cluster", "state", "object", "declared by", "cure")
    for column in table.columns[2:]:
        column.overflow = "fold"
    for each in found:
        if each.unknown or not each.deviations:
            text = each.unknown or f"{each.compared} objects"
            table.add_row(each.cluster, f"[{COLORS[state(each)]}]{state(each)}[/]", escape(text), "", "")
        for deviation in each.deviations:
            table.add_row(
                each.cluster,
                f"[red]{deviation.state}[/]",
                escape(str(deviation)),
                escape(deviation.source),
                escape(deviation.cure),
            )
    out.print(table)
    for each in found:
        for deviation in each.deviations:
            if deviation.diff:
                _print_diff(each.cluster, deviation)


def _print_diff(cluster: str, deviation: Deviation) -> None:
    out.print(f"\n[bold]{escape(cluster)}: {escape(str(deviation))}[/] ({escape(deviation.source)})", soft_wrap=True)
    for each in deviation.differences:
        out.print(f"  {escape(each.path)}: {_who(each)}", soft_wrap=True, highlight=False)
    out.print(Padding(Syntax(deviation.diff, "diff", background_color="default"), (0, 2)))


def _who(difference: Difference) -> str:
    who = f" by {difference.by}" if difference.by else ""
    when = f" at {difference.time}" if difference.time else ""
    return escape(difference.change + who + when)
