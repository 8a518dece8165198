"""`spanmesh tokens`: by which tokens the clusters of a mesh read each other."""

import json
from datetime import UTC, datetime

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import err, out
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, load_stack
from live.reachability import UnreachableError
from live.remote_access.tokens import ReaderToken, reader_tokens


def tokens(
    stack: AskedStack = None,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """List the tokens by which istiods read other clusters: whose, how old, when last used; never what they hold.

    Another text in `access.rotate` of the stack file replaces them at the next `pulumi up`. Exit code 1 when a cluster
    does not answer.
    """
    declared = load_stack(stack, cwd)
    found: dict[str, list[ReaderToken]] = {}
    silent: list[UnreachableError] = []
    for name, access in declared.accesses.items():
        try:
            found[name] = reader_tokens(access)
        except UnreachableError as error:
            silent.append(error)
    if output is Format.JSON:
        typer.echo(json.dumps([_row(name, token) for name, of in found.items() for token in of], indent=2))
    else:
        out.print(_table(found, datetime.now(UTC)))
    for cause in silent:
        err.print(f"[bold red]error:[/] {escape(str(cause))}", soft_wrap=True)
    if silent:
        raise typer.Exit(1)


def _row(cluster: str, token: ReaderToken) -> dict[str, str | None]:
    return {
        "cluster": cluster,
        "reader": token.reader,
        "secret": token.secret,
        "created": token.created.isoformat(),
        "lastUsed": token.last_used.isoformat() if token.last_used else None,
        "expires": token.expires.isoformat() if token.expires else None,
    }


def _table(found: dict[str, list[ReaderToken]], now: datetime) -> Table:
    table = Table("read cluster", "reader", "Secret", "age", "last used", "expires")
    table.columns[2].overflow = "fold"
    for cluster, tokens_there in found.items():
        for token in tokens_there:
            table.add_row(
                cluster,
                token.reader,
                token.secret,
                age(token.created, now),
                token.last_used.isoformat() if token.last_used else "never",
                token.expires.isoformat() if token.expires else "never",
            )
    return table


def age(since: datetime, now: datetime) -> str:
    """How long ago something was, as kubectl shows it: days, or hours, or minutes, or seconds."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
