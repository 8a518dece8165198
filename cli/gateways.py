"""`spanmesh gateways`: the public addresses of a stack's gateways, from its outputs."""

import json
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from cli.console import out
from cli.options import Cwd
from cli.project import ROOT
from cli.pulumi import PulumiStack

COLUMNS = ("cluster", "region", "network", "gateway", "addresses", "ports")


def gateways(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack that is up.")],
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print the result.")
    ] = "text",
    cwd: Cwd = ROOT,
) -> None:
    """Show the addresses of each cluster's gateways, as the stack's last `pulumi up` found them."""
    found = rows(PulumiStack(cwd, stack, {}).outputs().get("clusters") or {})
    if output == "json":
        typer.echo(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in found], indent=2))
    elif output == "markdown":
        typer.echo(markdown(stack, found))
    else:
        table = Table(*COLUMNS)
        for row in found:
            table.add_row(*(_text(cell) for cell in row))
        out.print(table)


def rows(clusters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """One row for each gateway: the cells are those of ``COLUMNS``; addresses and ports are lists.

    Args:
        clusters: the stack's output of this name.
    """
    return [
        (name, cluster.get("region"), cluster.get("network"), kind, gateway["addresses"], _ports(gateway))
        for name, cluster in clusters.items()
        for kind, gateway in (("east-west", cluster.get("eastWest")), ("ingress", cluster.get("ingress")))
        if gateway
    ]


def markdown(stack: str, found: list[tuple[Any, ...]]) -> str:
    """The rows as a table for GitHub, under the stack's name."""
    if not found:
        return f"### {stack}\n\nNo gateways stand in this stack's outputs.\n"
    lines = [COLUMNS, ["--"] * len(COLUMNS), *([_text(cell) for cell in row] for row in found)]
    return f"### {stack}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ports(gateway: dict[str, Any]) -> list[int]:
    return [gateway["port"]] if "port" in gateway else list(gateway.get("ports") or [])


def _text(cell: Any) -> str:
    return ", ".join(str(item) for item in cell) if isinstance(cell, list) else str(cell or "")
