"""How findings of policy are printed."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Column, Table

from policy.finding import Finding
from policy.review import Review

COLOURS = {"error": "bold red", "warning": "yellow"}


def tables(review: Review) -> Iterator[RenderableType]:
    """The findings as a table, the judges that were missing, and the sum in a line."""
    if review.findings:
        table = Table("rule", Column("where", overflow="fold"), Column("what", overflow="fold"), show_lines=True)
        for finding in review.findings:
            table.add_row(_rule(finding), _where(finding), _what(finding))
        yield table
    for reason in review.missing:
        yield f"[yellow]not judged:[/] {escape(reason)}"
    yield summary(review)


def summary(review: Review) -> str:
    """How much was looked at, and how much of it is wrong."""
    parts = [_count(len(review.errors), "error"), _count(len(review.warnings), "warning")]
    if review.acknowledged:
        parts.append(f"{len(review.acknowledged)} acknowledged")
    return f"{_count(len(review.placed), 'object')}: {', '.join(parts)}"


def as_json(review: Review) -> dict[str, Any]:
    """The findings with what their rules say, for programs."""
    return {
        "objects": len(review.placed),
        "errors": len(review.errors),
        "warnings": len(review.warnings),
        "acknowledged": len(review.acknowledged),
        "missing": list(review.missing),
        "findings": [
            {
                "code": finding.rule.code,
                "severity": finding.rule.severity,
                "file": finding.file,
                "line": finding.line,
                "object": finding.subject,
                "clusters": list(finding.clusters),
                "message": finding.message,
                "effect": finding.rule.effect,
                "cure": finding.cure or finding.rule.cure,
                "source": finding.rule.source,
                "acknowledged": finding.acknowledged,
            }
            for finding in review.findings
        ],
    }


def _rule(finding: Finding) -> str:
    severity = "acknowledged" if finding.acknowledged is not None else finding.rule.severity
    return f"[{COLOURS.get(severity, 'dim')}]{severity}[/]\n{finding.rule.code}"


def _where(finding: Finding) -> str:
    lines = [f"{finding.file}:{finding.line}" if finding.file else "", finding.subject, ", ".join(finding.clusters)]
    return escape("\n".join(line for line in lines if line))


def _what(finding: Finding) -> str:
    rule = finding.rule
    lines = [f"[bold]{escape(rule.name)}[/]: {escape(finding.message)}", escape(f"{rule.effect}.")]
    if finding.acknowledged is None:
        lines.append(f"[green]→[/] {escape(finding.cure or rule.cure)}")
    else:
        lines.append(f"[dim]acknowledged:[/] {escape(finding.acknowledged)}")
    return "\n".join([*lines, f"[dim]{escape(rule.source)}[/]"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
