"""`spanmesh status`: in seconds and without traffic, whether every cluster is as it is declared."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, out
from cli.drift import chosen, expected
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, Stack, load_stack
from cli.pulumi import PulumiError
from health.check import State
from health.observed import ObservedCluster, Unknown
from health.standing import ClusterStanding, InStep, PartName, exit_code, expiries, standing
from live.drift import Expected, drift_of
from live.kubeconfig import ClusterAccess
from live.observed import observe, topics
from topology import MeshConfigError
from topology.root_rotation import Stage, stage_of

CANNOT_TELL, INTERRUPTED = 2, 130
LIMIT_SECONDS = 300
PAUSE_SECONDS = 2.0
# Where nothing changes meanwhile, so often it is said again what is missing.
REMINDER_SECONDS = 30.0
TOPICS = topics(["istiods", "trust", "settings", "gateway", "remote", "readers"])
COMPARISONS = 4
WIDE = 150
# Of all that ends; JSON has everything.
SOONEST = 5
COLORS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red", State.SKIPPED: "yellow"}
COLUMNS: dict[PartName, str] = {
    "api": "API",
    "istiod": "istiod",
    "gateway": "east-west gateway",
    "remotes": "remote clusters",
    "certificates": "certificates",
    "versions": "versions",
    "policy": "policy",
}
HEADINGS = {State.FAILED: "Missing or wrong", State.WARNING: "Warnings", State.SKIPPED: "Cannot be told"}


@dataclass(frozen=True)
class Status:
    """What was seen at one moment.

    Attributes:
        stack: the stack's name.
        at: when it was looked.
        clusters: how each stands.
        rotation: the declared stage of the root's replacement.
    """

    stack: str
    at: datetime
    clusters: Sequence[ClusterStanding]
    rotation: Stage = Stage.OLD

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing or wrong, each with the name of its cluster."""
        return tuple(reason for each in self.clusters for reason in each.missing)


def status(
    stack: AskedStack = None,
    output: Output = Format.TABLE,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", help="Only this cluster. Repeatable.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Look again until nothing is missing.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="With --wait: for how many seconds.")] = LIMIT_SECONDS,
    cwd: Cwd = ROOT,
) -> None:
    """Show whether each cluster is as declared: API, istiod, gateway, remote clusters, certificates, versions, policy.

    Nothing is changed and no traffic is sent. Exit code 0: everything is as declared. 1: something is missing or
    wrong, with --wait: still so at the end of its time. 2: nothing is, as far as can be told, but not everything can.
    """
    try:
        declared = load_stack(stack, cwd)
        accesses = {name: declared.accesses[name] for name in chosen(list(declared.accesses), cluster or [])}
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    try:
        found = awaited(declared, accesses, timeout) if wait else look(declared, accesses, _Progress())
    except KeyboardInterrupt:
        err.print("interrupted")
        # There is nothing to undo, and threads that wait for a silent cluster would keep the process.
        os._exit(INTERRUPTED)
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(found), indent=2))
    else:
        _print(found)
    raise typer.Exit(exit_code(found.clusters))


class _Progress:
    """Says of each cluster that it has been looked at."""

    def done(self, seen: ObservedCluster) -> None:
        """One more."""
        said = "cannot be asked" if isinstance(seen.kubernetes, Unknown) else f"Kubernetes {seen.kubernetes}"
        err.print(f"[bold]==>[/] {escape(seen.name)}: {said}, looked at in {seen.seconds:.1f} s", soft_wrap=True)


class _Silence(_Progress):
    """Says nothing: between two looks it is said what is missing."""

    def done(self, seen: ObservedCluster) -> None:
        """One more."""


def look(declared: Stack, accesses: Mapping[str, ClusterAccess], progress: _Progress) -> Status:
    """Look once.

    Args:
        declared: the stack.
        accesses: the clusters to ask.
        progress: told of each cluster as it is done.
    """
    try:
        # Policy is what is asked for here; what Helm installed is for `spanmesh drift`, and takes the right to Secrets.
        policy: Expected | str = replace(expected(declared), releases=False)
    except MeshConfigError as error:
        policy = f"it cannot be told which policy is declared: {error}"
    comparisons: dict[str, Future[InStep]] = {}
    pool = ThreadPoolExecutor(max_workers=COMPARISONS)

    def done(seen: ObservedCluster) -> None:
        progress.done(seen)
        if not isinstance(seen.kubernetes, Unknown):
            comparisons[seen.name] = pool.submit(_compared, accesses[seen.name], policy)

    try:
        observed = observe(declared.mesh, accesses, topics=TOPICS, done=done)
        in_step = {name: comparison.result() for name, comparison in comparisons.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Status(declared.name, observed.at, standing(observed, in_step), stage_of(declared.mesh.trust))


def _compared(access: ClusterAccess, policy: Expected | str) -> InStep:
    if isinstance(policy, str):
        return InStep(unknown=policy)
    [found] = drift_of({access.name: access}, policy, lambda _: None)
    return InStep(found.compared, tuple(f"{each} is {each.state}" for each in found.deviations), found.unknown)


def awaited(declared: Stack, accesses: Mapping[str, ClusterAccess], seconds: float) -> Status:
    """Look until nothing is missing, and say meanwhile what still is and how long it is waited for.

    Args:
        declared: the stack.
        accesses: the clusters to ask.
        seconds: after so many there is no further look.
    """
    deadline, silent_since = time.monotonic() + seconds, 0.0
    said: tuple[str, ...] = ()
    with err.status("looking") as shown:
        while (found := look(declared, accesses, _Silence())).missing:
            left = deadline - time.monotonic()
            if left <= 0:
                err.print(f"[bold red]after {seconds:.0f} s[/] {_still(found)}", soft_wrap=True)
                return found
            if found.missing != said or time.monotonic() - silent_since > REMINDER_SECONDS:
                said, silent_since = found.missing, time.monotonic()
                err.print(f"[bold]==>[/] {left:.0f} s left, {_still(found)}", soft_wrap=True)
            shown.update(f"{left:.0f} s left, {len(found.missing)} missing")
            time.sleep(min(PAUSE_SECONDS, left))
    return found


def _still(found: Status) -> str:
    return f"still missing: {escape('; '.join(found.missing))}"


def as_json(found: Status) -> dict[str, Any]:
    """The status as docs/health.md describes it."""
    return {
        "stack": found.stack,
        "at": found.at.isoformat(),
        "state": {0: "as declared", 1: "wrong", CANNOT_TELL: "unknown"}[exit_code(found.clusters)],
        "rotation": found.rotation,
        "expiries": [
            {
                "what": each.what,
                "cluster": each.cluster or None,
                "ends": each.ends.isoformat(),
                "daysLeft": each.days_left,
            }
            for each in expiries(found.clusters)
        ],
        "clusters": [
            {
                "cluster": each.cluster,
                "state": each.state,
                "seconds": round(each.seconds, 3),
                **{
                    part.name: {"state": part.state, "text": part.text, "reasons": list(part.reasons), **part.facts}
                    for part in each.parts
                },
            }
            for each in found.clusters
        ],
    }


def _print(found: Status) -> None:
    out.print(_wide(found) if out.width >= WIDE else _narrow(found))
    _print_ends(found)
    for state, heading in HEADINGS.items():
        reasons = [
            f"{each.cluster}: {reason}"
            for each in found.clusters
            for part in each.parts
            # What is not known because nothing is needs no line of its own.
            if part.state is state and (part.name == "api" or each.part("api").state is State.OK)
            for reason in part.reasons
        ]
        if reasons:
            out.print(f"[bold {COLORS[state]}]{heading}:[/]")
            for reason in dict.fromkeys(reasons):
                out.print(f"  {escape(reason)}", soft_wrap=True, highlight=False)


def _print_ends(found: Status) -> None:
    if found.rotation is not Stage.OLD:
        out.print(f"Root being replaced: stage {found.rotation} is declared (docs/rotation.md)", highlight=False)
    ends = [
        f"{escape(each.what)}{f' of {each.cluster}' if each.cluster else ''} {each.ends:%Y-%m-%d}"
        for each in expiries(found.clusters)
    ]
    if ends:
        more = f" and {len(ends) - SOONEST} more, later" if len(ends) > SOONEST else ""
        out.print(f"Ends next: {', '.join(ends[:SOONEST])}{more}", highlight=False)


def _wide(found: Status) -> Table:
    """A row for each cluster."""
    table = Table("cluster", *COLUMNS.values())
    for each in found.clusters:
        table.add_row(each.cluster, *(_cell(each, name) for name in COLUMNS))
    return table


def _narrow(found: Status) -> Table:
    """A row for each part of each cluster, for screens that a row for each cluster would not fit."""
    table = Table("cluster", "", "")
    for each in found.clusters:
        for place, (name, heading) in enumerate(COLUMNS.items()):
            table.add_row(each.cluster if place == 0 else "", heading, _cell(each, name))
        table.add_section()
    return table


def _cell(cluster: ClusterStanding, name: PartName) -> str:
    part = cluster.part(name)
    return f"[{COLORS[part.state]}]{escape(part.text)}[/]"
