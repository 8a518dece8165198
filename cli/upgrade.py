"""`spanmesh upgrade`: another Istio version, one cluster after the other, while the mesh carries traffic."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, out, step
from cli.drift import chosen
from cli.options import Cwd, Format, Output
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError, PulumiStack
from cli.stack_edit import StackEdit
from cli.update import update
from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError, cluster_uid
from live.upgrade.restarts import RolloutError, restart_workloads
from live.upgrade.survey import survey
from topology import Mesh, MeshConfigError, Problem
from topology.checks import check
from topology.checks.istio import known_faults
from topology.upgrade import ClusterPlan, Surveyed, plan, refused, with_version

FAILED, REFUSED = 1, 2
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Planned:
    """What is to happen.

    Attributes:
        stack: the stack, with the mesh as it is to be.
        mesh: that mesh.
        accesses: the clusters that answer.
        clusters: what happens in each of them.
        refused: what stands in the way.
        warnings: what should be known before.
        chosen: the clusters whose workloads are restarted.
    """

    stack: Stack
    mesh: Mesh
    accesses: Mapping[str, ClusterAccess]
    clusters: Sequence[ClusterPlan]
    refused: Sequence[Problem]
    warnings: Sequence[str]
    chosen: Sequence[str]

    @property
    def changes(self) -> bool:
        """Whether an update changes the Istio of a cluster."""
        return any(each.changes for each in self.clusters)

    @property
    def restartable(self) -> list[ClusterPlan]:
        """The chosen clusters with workloads that can be restarted."""
        return [c for c in self.clusters if c.cluster in self.chosen and any(not each.left for each in c.workloads)]


def upgrade(  # noqa: PLR0913, PLR0917 - each is an option
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Stack whose clusters change; default: the selected one.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Istio version to write into the stack file; default: as it is.")
    ] = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option("--cluster", help="Only this cluster gets the version, or has workloads restarted. Repeatable."),
    ] = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Say what would restart, and change nothing.")] = False,
    workloads: Annotated[
        bool, typer.Option("--workloads", help="Then restart the workloads whose proxies are of another version.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Annotated[
        int, typer.Option(min=1, help="With --workloads: seconds that the rollouts of a namespace may take.")
    ] = PATIENCE_SECONDS,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """Bring clusters to another Istio version, one after the other: istiod, then its gateways, then workloads.

    The version is one value of the stack file, and an ordinary `pulumi up` does the rest, so a pull request can carry
    it too. Exit code 0: done, or planned. 1: it stopped, and says where. 2: refused, and nothing was changed.
    """
    try:
        planned = _planned(stack, cwd, to, cluster or [])
        edit = _edited(planned.stack, to, cluster or []) if to else None
    except (MeshConfigError, PulumiError, UnreachableError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(REFUSED) from error
    if output is Format.TABLE or not only_plan:
        _print(planned, out if output is Format.TABLE else err)
    if planned.refused:
        if output is Format.JSON:
            typer.echo(json.dumps(as_json(planned), indent=2))
        err.print(f"[bold red]error:[/] {escape(str(MeshConfigError(list(planned.refused))))}", soft_wrap=True)
        raise typer.Exit(REFUSED)
    if not only_plan:
        planned = _done(planned, edit, restarts=workloads, yes=yes, seconds=timeout)
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(planned), indent=2))


def _planned(name: str | None, cwd: Path, to: str | None, clusters: list[str]) -> Planned:
    declared = load_stack(name, cwd)
    names = chosen(list(declared.accesses), clusters)
    apart = [c.name for c in declared.mesh.clusters if c.istio.revision or c.istio.revisions is not None]
    if to and apart and not clusters:
        cause = f"{', '.join(apart)} have revisions of their own, and one version for all would not fit them"
        raise MeshConfigError([Problem("--to", cause, "Name the clusters by `--cluster`, or see `spanmesh revision`")])
    mesh = with_version(declared.mesh, to, clusters) if to else declared.mesh
    if problems := check(mesh):
        raise MeshConfigError(problems)
    answering = {n: a for n, a in declared.accesses.items() if not _skipped(mesh, n, a)}
    surveyed = survey(mesh, answering)
    return Planned(
        declared,
        mesh,
        answering,
        plan(mesh, surveyed),
        refused(mesh, {n: each.installed for n, each in surveyed.items()}),
        [str(problem) for problem in known_faults(mesh)],
        names,
    )


def _skipped(mesh: Mesh, name: str, access: ClusterAccess) -> bool:
    """Whether a cluster does not answer, and is declared to be left as it is meanwhile."""
    if not mesh.cluster(name).skip_update_unreachable:
        return False
    try:
        cluster_uid(access)
    except UnreachableError as error:
        err.print(f"[bold yellow]left as it is:[/] {escape(str(error))}", soft_wrap=True)
        return True
    return False


def _edited(stack: Stack, to: str, clusters: list[str]) -> StackEdit:
    """The stack file with the version in it, not yet written."""
    edit = StackEdit.open(stack.project, stack.name)
    for name in clusters:
        edit.set(f"{edit.cluster(name)}.istio.version", to)
    if not clusters:
        edit.set("istio.version", to)
        for each in stack.mesh.clusters:
            edit.remove(f"{edit.cluster(each.name)}.istio.version")
    edit.text()
    return edit


def _done(planned: Planned, edit: StackEdit | None, *, restarts: bool, yes: bool, seconds: int) -> Planned:
    """Do what is planned; what is left to do then."""
    if not planned.changes and edit is None and not (restarts and planned.restartable):
        step("Nothing to do: every istiod and gateway is of the declared version")
        return planned
    if not yes:
        typer.confirm("Do this?", abort=True, err=True)
    if edit:
        edit.save()
        step(f"wrote {edit.path}")
    try:
        if planned.changes or edit:
            update(PulumiStack(planned.stack.project, planned.stack.name, {}))
        planned = _again(planned)
        for each in planned.restartable if restarts else ():
            restart_workloads(planned.accesses[each.cluster], each.workloads, seconds, step)
        planned = _again(planned)
    except (PulumiError, RolloutError, UnreachableError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        _say_where(planned)
        raise typer.Exit(FAILED) from error
    left = sum(len(each.workloads) for each in planned.clusters)
    said = f"; {left} workloads still have other proxies: `spanmesh upgrade --plan` lists them" if left else ""
    step(f"Every istiod and gateway is of the declared version{said}")
    return planned


def _again(planned: Planned) -> Planned:
    surveyed: dict[str, Surveyed] = survey(planned.mesh, planned.accesses)
    return Planned(
        planned.stack,
        planned.mesh,
        planned.accesses,
        plan(planned.mesh, surveyed),
        (),
        planned.warnings,
        planned.chosen,
    )


def _say_where(planned: Planned) -> None:
    """Where it stopped; what cannot be asked any more is not told."""
    try:
        now = _again(planned)
    except UnreachableError:
        return
    for each in now.clusters:
        state = f"not yet {each.declared}" if each.changes else "as declared"
        err.print(f"cluster {each.cluster}: istiod {each.present or 'none'}, {state}", highlight=False)
    err.print("Once the cause is cured, `spanmesh upgrade` goes on from here; clusters that are done stay as they are")


def as_json(planned: Planned) -> dict[str, Any]:
    """The plan as docs/upgrade.md describes it."""
    return {
        "stack": planned.stack.name,
        "atOnce": planned.mesh.upgrades_at_once,
        "refused": [str(problem) for problem in planned.refused],
        "warnings": list(planned.warnings),
        "clusters": [
            {
                "cluster": each.cluster,
                "present": each.present or None,
                "declared": each.declared,
                "revisions": [
                    {"revision": r.name, "present": r.present or None, "declared": r.declared or None}
                    for r in each.revisions
                ],
                "changes": each.changes,
                "after": each.after or None,
                "crds": each.crds,
                "restarts": [{"deployment": name, "pods": pods} for name, pods in each.restarts],
                "workloads": [
                    {**asdict(workload), "versions": list(workload.versions), "revisions": list(workload.revisions)}
                    for workload in each.workloads
                ],
            }
            for each in planned.clusters
        ],
    }


def _print(planned: Planned, console: Any) -> None:
    table = Table("cluster", "istiod", "declared", "when", "restarts, in this order", "CRDs taken", "workloads then")
    for each in planned.clusters:
        when = (f"after {each.after}" if each.after else "first") if each.changes else "no change"
        restarts = ", ".join(f"{name} ({pods} pods)" for name, pods in each.restarts)
        pods = sum(workload.pods for workload in each.workloads)
        table.add_row(
            each.cluster,
            ", ".join(map(str, each.revisions)) or each.present or "none",
            each.declared,
            when,
            restarts or "-",
            str(each.crds or "-"),
            f"{len(each.workloads)} ({pods} pods)" if each.workloads else "-",
        )
    console.print(table)
    for each in planned.clusters:
        for workload in each.workloads:
            line = (
                f"{each.cluster}: {workload}: {workload.pods} pods with {', '.join(workload.versions) or 'no version'}"
            )
            console.print(f"{line}; left: {workload.left}" if workload.left else line, soft_wrap=True, highlight=False)
    for warning in planned.warnings:
        err.print(f"[bold yellow]warning:[/] {escape(warning)}", soft_wrap=True)
