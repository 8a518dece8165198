"""How the result of `spanmesh verify` is printed: as tables, JSON, or JUnit's XML."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from xml.etree import ElementTree as Xml

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import out
from health.check import Result, State
from health.checks.traffic import way
from health.drill import Drill
from health.matrix import Cell, Matrix, Row
from health.observed import Unknown
from health.reference import anchor
from live.verification import Verification

COLORS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red", State.SKIPPED: "cyan"}
STATES = {0: "ok", 1: "failed", 2: "unknown"}


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def show(stack: str, found: Verification, output: Format, code: int) -> None:
    """Print it.

    Args:
        stack: the stack's name.
        found: what was found.
        output: in which form.
        code: the exit code that follows from it.
    """
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(stack, found, code), indent=2))
    elif output is Format.JUNIT:
        typer.echo(as_junit(stack, found))
    else:
        _print(found, code)


def as_json(stack: str, found: Verification, code: int) -> dict[str, Any]:
    """The result as docs/health.md describes it."""
    matrix = found.observed.matrix
    return {
        "stack": stack,
        "at": found.observed.at.isoformat(),
        "state": STATES[code],
        "seconds": round(found.seconds, 1),
        "passes": found.passes,
        "results": [_result(each) for each in found.results],
        "matrix": None if isinstance(matrix, Unknown) else {name: _row(row) for name, row in matrix.items()},
        "drills": []
        if isinstance(found.observed.drills, Unknown)
        else [_drill(each) for each in found.observed.drills],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "check": result.check.name,
        "title": result.check.title,
        "state": result.state,
        "cluster": result.cluster or None,
        "peer": result.peer or None,
        "message": result.message,
        "code": result.cause.code if result.cause else None,
        "cure": cure(result) or None,
        "documentation": anchor(result.cause) if result.cause else None,
    }


def cure(result: Result) -> str:
    """What to do; empty where nothing is."""
    return result.cure or (result.cause.cure if result.cause else "")


def _row(row: Row) -> dict[str, Any]:
    return {
        "sent": row.sent,
        "reason": row.reason or None,
        "failures": dict(row.failures),
        "servers": {name: _cell(cell) for name, cell in row.cells.items()},
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "answers": cell.answers,
        "p50Milliseconds": round(cell.quantile(0.5), 3) if cell.answers else None,
        "p99Milliseconds": round(cell.quantile(0.99), 3) if cell.answers else None,
        "hops": [
            {"address": hop, "kind": "gateway" if hop in cell.gateways else "pod", "requests": count}
            for hop, count in sorted(cell.hops.items())
        ],
        "client": cell.client or None,
        "server": cell.server or None,
        "connections": cell.connections,
        "failedConnections": cell.refused,
        "priority": cell.priority,
    }


def _drill(drill: Drill) -> dict[str, Any]:
    return {
        "name": drill.name,
        "title": drill.title,
        "client": drill.client,
        "peer": drill.peer,
        "reason": drill.reason or None,
        "undone": drill.undone,
        "marks": [{"seconds": round(at, 3), "what": what} for at, what in drill.marks],
        "requests": [
            {
                "seconds": round(each.at, 3),
                "answered": each.answered or None,
                "milliseconds": round(each.milliseconds, 1),
                "failure": each.failure or None,
            }
            for each in drill.samples
        ],
    }


def as_junit(stack: str, found: Verification) -> str:
    """The result as JUnit's XML: a test suite for each check, a test case for each cluster or pair."""
    suites = Xml.Element("testsuites", {"name": f"spanmesh verify {stack}", **_counts(found.results)})
    for name in dict.fromkeys(result.check.name for result in found.results):
        of_check = [result for result in found.results if result.check.name == name]
        suite = Xml.SubElement(suites, "testsuite", {"name": name, "timestamp": _at(found), **_counts(of_check)})
        for result in of_check:
            case = Xml.SubElement(suite, "testcase", classname=f"{stack}.{name}", name=result.where)
            _outcome(case, result)
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True)


def _at(found: Verification) -> str:
    return found.observed.at.replace(microsecond=0, tzinfo=None).isoformat()


def _counts(results: Sequence[Result]) -> dict[str, str]:
    states = [result.state for result in results]
    return {
        "tests": str(len(states)),
        "failures": str(states.count(State.FAILED)),
        "skipped": str(states.count(State.SKIPPED)),
        "errors": "0",
    }


def _outcome(case: Xml.Element, result: Result) -> None:
    if result.state is State.FAILED and result.cause:
        failure = Xml.SubElement(case, "failure", type=result.cause.code, message=result.message)
        failure.text = f"{result.cause.name}\n{cure(result)}\n{anchor(result.cause)}"
    elif result.state is State.SKIPPED:
        Xml.SubElement(case, "skipped", message=result.message)
    else:
        said = f"warning {result.cause.code}: " if result.cause else ""
        Xml.SubElement(case, "system-out").text = f"{said}{result.message or result.check.title}"


def _print(found: Verification, code: int) -> None:
    table = Table("check", "", "where", "seen")
    table.columns[3].overflow = "fold"
    name = ""
    for result in found.results:
        # The name of a check once is enough.
        shown, name = "" if result.check.name == name else result.check.name, result.check.name
        state = f"[{COLORS[result.state]}]{result.state}[/]"
        table.add_row(shown, state, escape(result.where), escape(result.message or result.check.title))
    out.print(table)
    if not isinstance(found.observed.matrix, Unknown):
        out.print(matrix_table(found.observed.matrix))
    for result in found.results:
        if result.cause:
            color, code_ = COLORS[result.state], result.cause.code
            out.print(f"[{color}]{code_}[/] {escape(result.where)}: {escape(result.cause.name)}", soft_wrap=True)
            out.print(f"      {escape(cure(result))}", soft_wrap=True, highlight=False)
            out.print(f"      {anchor(result.cause)}", soft_wrap=True, highlight=False)
    out.print(summary(found, code), soft_wrap=True, highlight=False)


def summary(found: Verification, code: int) -> str:
    """One line: how many of each state, and how long it took."""
    states = [result.state for result in found.results]
    counts = ", ".join(f"[{COLORS[s]}]{states.count(s)} {s}[/]" for s in State if s in states)
    passes = "" if found.passes == 1 else f", {found.passes} passes"
    what = {0: "the mesh works", 1: "the mesh does not work", 2: "not everything could be told"}[code]
    return f"{what}: {counts} ({found.seconds:.1f} s{passes})"


def matrix_table(matrix: Matrix) -> Table:
    """One line for each client's cluster, one column for each answering cluster."""
    servers = list(dict.fromkeys([*matrix, *(name for row in matrix.values() for name in row.cells)]))
    table = Table("client \\ server", *servers, "failed", title="Requests of the probe", show_lines=True)
    for name, row in matrix.items():
        failed = "\n".join(f"{count} x {escape(text)}" for text, count in row.failures.items())
        cells = [_cell_text(row.cells.get(server, Cell())) for server in servers]
        table.add_row(name, *cells, failed or ("-" if row.reason else f"0 of {row.sent}"))
    return table


def _cell_text(cell: Cell) -> str:
    if not cell.answers:
        return "-" if not cell.hops else f"none\n{way(cell)}"
    took = f"p50 {cell.quantile(0.5):.1f} ms, p99 {cell.quantile(0.99):.1f} ms"
    return "\n".join(filter(None, [f"{cell.answers} answers", took, way(cell)]))
