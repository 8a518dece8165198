"""Rows of figures, for people and for Markdown pages."""

from collections.abc import Sequence
from statistics import median

import typer
from rich.table import Table

from cli.console import out


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> None:
    """Print rows under the names of their columns, as a table of the terminal or of Markdown."""
    if markdown:
        typer.echo("".join(f"| {' | '.join(row)} |\n" for row in (names, ("--",) * len(names), *rows)))
        return
    table = Table(*names)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def spread(seconds: Sequence[float]) -> str:
    """Median, least and most of some measured seconds, as one cell."""
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
