"""`spanmesh diagnose`: from what is wrong with a running mesh to the first cause, its cure, and where to read on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cli.console import err, out, step
from cli.drift import chosen, expected
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiError
from cli.verify import ended_by_signals
from health.check import Cause, Result, State
from health.checks import CHECKS, TRAFFIC
from health.examination import examine
from health.observed import Observed, ObservedCluster, Unknown
from health.reference import anchor
from live.drift import Expected
from live.kubeconfig import ClusterAccess
from live.observed import observe, second_look
from live.probe import REQUESTS, Probe, ProbeError
from live.verification import OPTIONAL
from topology import Mesh, MeshConfigError

FAILURES, CANNOT_TELL = 1, 2
COLORS = {State.FAILED: "red", State.WARNING: "yellow"}


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        stack: the stack's name.
        at: when the clusters were looked at.
        findings: failures in the order of their causes, then warnings.
        consequences: what only follows from one of the failures.
        untold: what could not be told, each with its reason.
        held: how many results are ok.
    """

    stack: str
    at: datetime
    findings: Sequence[Result]
    consequences: Sequence[Result]
    untold: Sequence[Result]
    held: int

    @classmethod
    def of(cls, stack: str, at: datetime, results: Iterable[Result]) -> "Diagnosis":
        """What results say, sorted."""
        said = list(results)
        states = {state: [r for r in said if r.state is state] for state in State}
        return cls(
            stack,
            at,
            [*states[State.FAILED], *states[State.WARNING]],
            [r for r in states[State.SKIPPED] if r.because],
            [r for r in states[State.SKIPPED] if not r.because and r.check.name not in OPTIONAL],
            len(states[State.OK]),
        )

    @property
    def exit_code(self) -> int:
        """1: something failed; 2: nothing did as far as can be told, and not everything can; 0: neither."""
        if any(each.state is State.FAILED for each in self.findings):
            return FAILURES
        return CANNOT_TELL if self.untold else 0


def diagnose(
    stack: AskedStack = None,
    output: Output = Format.TABLE,
    cluster: Annotated[list[str] | None, typer.Option("--cluster", help="Only this cluster. Repeatable.")] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Send requests too, by a probe in every cluster that is removed again.")
    ] = False,
    cwd: Cwd = ROOT,
) -> None:
    """Say what is wrong with the running mesh, first causes first, with evidence and cure.

    Nothing is changed; with --probe, nothing but the namespace spanmesh-probe, which is removed again.

    Exit code 0: nothing failed. 1: something did. 2: nothing did as far as can be told, but not everything can; or
    what is declared or asked is wrong.
    """
    try:
        declared = load_stack(stack, cwd)
        accesses = {name: declared.accesses[name] for name in chosen(list(declared.accesses), cluster or [])}
        policy = expected(declared)
    except (MeshConfigError, PulumiError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    with ended_by_signals():
        if probe:
            observed, left = _probed(declared.mesh, accesses, policy)
        else:
            observed, left = _seen(declared.mesh, accesses, policy), None
    checks = [each for each in (*CHECKS, *TRAFFIC) if probe or not each.check.probe]
    found = Diagnosis.of(declared.name, observed.at, examine(observed, checks))
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(found), indent=2))
    else:
        _print(found)
    if left:
        err.print(f"[bold red]error:[/] {escape(str(left))}", soft_wrap=True)
    raise typer.Exit(FAILURES if left else found.exit_code)


def _seen(mesh: Mesh, accesses: Mapping[str, ClusterAccess], policy: Expected) -> Observed:
    return second_look(observe(mesh, accesses, done=_progress), accesses, policy)


def _probed(mesh: Mesh, accesses: Mapping[str, ClusterAccess], policy: Expected) -> tuple[Observed, ProbeError | None]:
    """What was seen, and what was left of the probe: a cluster that dies meanwhile must not cost the findings."""
    observed = None
    try:
        # Its pods start while the clusters are asked.
        with Probe(mesh, accesses, progress=step) as probe:
            observed = probe.seen(_seen(mesh, accesses, policy), REQUESTS)
    except ProbeError as error:
        if observed is None:
            raise
        return observed, error
    return observed, None


def as_json(found: Diagnosis) -> dict[str, Any]:
    """The diagnosis as docs/health.md describes it; keys may be added, none change."""
    return {
        "stack": found.stack,
        "at": found.at.isoformat(),
        "state": {0: "healthy", FAILURES: "failures", CANNOT_TELL: "unknown"}[found.exit_code],
        "findings": [
            {
                "code": cause.code,
                "name": cause.name,
                "state": each.state,
                "check": each.check.name,
                "cluster": each.cluster or None,
                "peer": each.peer or None,
                "evidence": each.message,
                "symptom": cause.symptom,
                "cause": cause.cause,
                "cure": each.cure or cause.cure,
                "source": cause.source,
                "documentation": anchor(cause),
                "consequences": [
                    {**_place(one), "evidence": one.message} for one in found.consequences if one.because == each
                ],
            }
            for each, cause in _with_causes(found.findings)
        ],
        "unknown": [{**_place(each), "reason": each.message} for each in found.untold],
        "ok": found.held,
    }


def _place(result: Result) -> dict[str, str | None]:
    return {"check": result.check.name, "cluster": result.cluster or None, "peer": result.peer or None}


def _with_causes(results: Iterable[Result]) -> list[tuple[Result, Cause]]:
    return [(each, each.cause) for each in results if each.cause is not None]


def _progress(seen: ObservedCluster) -> None:
    silent = isinstance(seen.kubernetes, Unknown)
    said = "does not answer" if silent else f"Kubernetes {seen.kubernetes}"
    err.print(f"[bold]==>[/] {escape(seen.name)}: {said}, looked at in {seen.seconds:.1f} s", soft_wrap=True)


def _print(found: Diagnosis) -> None:
    for each, cause in _with_causes(found.findings):
        color, where = COLORS[each.state], escape(each.where)
        out.print(
            f"[bold {color}]{cause.code}[/] [bold]{where}: {escape(cause.name)}[/] ({each.state})", soft_wrap=True
        )
        out.print(Padding(_facts(found, each, cause), (0, 0, 1, 2)))
    if found.untold:
        out.print("[bold]Not told[/] (skipped is not ok):")
        for reason, skipped in _by_reason(found.untold):
            out.print(Padding(escape(f"{', '.join(skipped)}: {reason}"), (0, 0, 0, 2)))
    out.print(_summary(found))


def _facts(found: Diagnosis, result: Result, cause: Cause) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("seen", escape(result.message))
    table.add_row("cause", escape(cause.cause))
    table.add_row("cure", escape(result.cure or cause.cure))
    table.add_row("more", f"{anchor(cause)}, {cause.source}")
    follows = [one for one in found.consequences if one.because == result]
    if follows:
        named = dict.fromkeys(one.check.name for one in follows)
        table.add_row("follows", f"{len(follows)} results are left out, as they follow from this: {', '.join(named)}")
    return table


def _by_reason(results: Iterable[Result]) -> list[tuple[str, list[str]]]:
    """By reason, the checks and places that it holds for."""
    ordered = sorted(results, key=lambda each: each.message)
    return [
        (reason, [f"{each.check.name} ({each.where})" for each in of])
        for reason, of in groupby(ordered, key=lambda each: each.message)
    ]


def _summary(found: Diagnosis) -> str:
    failed = sum(each.state is State.FAILED for each in found.findings)
    warnings = len(found.findings) - failed
    parts = [f"{failed} failed", f"{warnings} warnings", f"{len(found.untold)} not told", f"{found.held} ok"]
    return f"[bold]{', '.join(parts)}[/]"
