"""`spanmesh explain`: one request, hop by hop, through every proxy on its way."""

import json
import re
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from cli.console import err, out, step
from cli.drift import chosen
from cli.options import AskedStack, Cwd, Format, Output
from cli.project import ROOT, load_stack
from cli.pulumi import PulumiError
from health.check import State
from health.walk.asked import Asked
from health.walk.step import Step, Walk
from live.reachability import UnreachableError
from live.walk.client_pod import NoPodError
from live.walk.walking import Client, walk
from topology import MeshConfigError, Problem

BROKEN, CANNOT_TELL = 1, 2
MARKS = {
    State.OK: "[green]ok[/]",
    State.WARNING: "[yellow]warning[/]",
    State.FAILED: "[bold red]broken[/]",
    State.SKIPPED: "[yellow]cannot tell[/]",
}
TARGET = re.compile(r"^(?:http://)?(?P<host>\[[0-9a-fA-F:]+\]|[^:/\[\]]+):(?P<port>\d+)$")


def explain(  # noqa: PLR0913, PLR0917 - each is an option of the command
    client: Annotated[
        str,
        typer.Argument(
            metavar="CLUSTER/NAMESPACE/POD",
            help="Where the request starts. POD: a name, the beginning of one, deploy/NAME, or a label as app=sleep.",
        ),
    ],
    target: Annotated[str, typer.Argument(metavar="HOST:PORT", help="What is asked, as the client would write it.")],
    path: Annotated[str, typer.Option("--path", help="Path of the request, with its query.")] = "/",
    method: Annotated[str, typer.Option("--method", "-X", help="HTTP method.")] = "GET",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="Header as name=value. Repeatable.")
    ] = None,
    send: Annotated[bool, typer.Option("--send/--no-send", help="Send it as well, from the client's pod.")] = True,
    stack: AskedStack = None,
    output: Output = Format.TABLE,
    cwd: Cwd = ROOT,
) -> None:
    """Walk one request through the configuration of every proxy on its way, send it, and follow it through their logs.

    Exit code 0: the whole way is fine. 1: it is broken, at the hop that is named. 2: it cannot be told.
    """
    try:
        declared = load_stack(stack, cwd)
        start = started(client, list(declared.accesses))
        asked = target_of(target, path, method, header or [])
        walked = walk(declared.mesh, declared.accesses, start, asked, send=send, told=step)
    except (MeshConfigError, PulumiError, UnreachableError, NoPodError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(CANNOT_TELL) from error
    if output is Format.JSON:
        typer.echo(json.dumps(as_json(walked), indent=2))
    else:
        _print(walked)
    raise typer.Exit(exit_code(walked))


def started(client: str, clusters: list[str]) -> Client:
    """Where a request starts.

    Args:
        client: ``cluster/namespace/pod``; the pod may have a slash of its own.
        clusters: the stack's.

    Raises:
        MeshConfigError: it is not of that form, or of no cluster of the stack.
    """
    parts = client.split("/", 2)
    if len(parts) != 3 or not all(parts):
        cure = "Give CLUSTER/NAMESPACE/POD, for example cluster1/sample/deploy/sleep"
        raise MeshConfigError([Problem("CLUSTER/NAMESPACE/POD", f"{client} is no client", cure)])
    chosen(clusters, [parts[0]])
    return Client(*parts)


def target_of(target: str, path: str, method: str, headers: list[str]) -> Asked:
    """What is asked.

    Args:
        target: ``host:port``.
        path: with its query.
        method: HTTP method.
        headers: each ``name=value`` or ``name: value``.

    Raises:
        MeshConfigError: one of them is not of its form.
    """
    match = TARGET.match(target)
    if match is None or not 0 < int(match["port"]) < 65536:
        cure = "Give HOST:PORT, for example helloworld.sample:5000; the path by --path"
        raise MeshConfigError([Problem("HOST:PORT", f"{target} is no host and port", cure)])
    named = {}
    for each in headers:
        name, sign, value = re.match(r"^([^=:]*)([=:]?)(.*)$", each, re.DOTALL).groups()  # type: ignore[union-attr]
        if not sign or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise MeshConfigError([Problem("--header", "it is not name=value", "For example --header x-user=jane")])
        named[name.lower()] = value.strip()
    at = path if path.startswith("/") else f"/{path}"
    return Asked(match["host"].strip("[]"), int(match["port"]), at, method.upper(), named)


def exit_code(walked: Walk) -> int:
    """0: the whole way is fine; 1: a hop is broken; 2: none is as far as can be told, and of some nothing can."""
    if walked.broken:
        return BROKEN
    return CANNOT_TELL if walked.untold else 0


def as_json(walked: Walk) -> dict[str, Any]:
    """The result as docs/health.md describes it."""
    first = walked.broken
    return {
        "client": walked.client,
        "target": walked.target,
        "requestId": walked.request_id or None,
        "state": {0: "ok", BROKEN: "broken", CANNOT_TELL: "unknown"}[exit_code(walked)],
        "broken": _as_json(first, children=False) if first else None,
        "steps": [_as_json(each) for each in walked.steps],
    }


def _as_json(each: Step, *, children: bool = True) -> dict[str, Any]:
    return {
        "step": each.name,
        "cluster": each.where or None,
        "state": each.state,
        "message": each.message,
        "details": list(each.details),
        "declaredBy": list(each.declared),
        "code": each.cause.code if each.cause else None,
        "cause": each.cause.name if each.cause else None,
        "cure": _cure(each) or None,
        **({"steps": [_as_json(child) for child in each.children]} if children else {}),
    }


def _cure(each: Step) -> str:
    return each.cure or (each.cause.cure if each.cause else "")


def _print(walked: Walk) -> None:
    sent = f" with x-request-id {walked.request_id}" if walked.request_id else ""
    tree = Tree(f"[bold]{escape(walked.client)}[/] asks {escape(walked.target)}{sent}")
    for each in walked.steps:
        _add(tree, each)
    out.print(tree, highlight=False)
    if (first := walked.broken) is not None and first.cause is not None:
        out.print()
        out.print(f"[bold red]{first.cause.code}[/] [bold]{escape(first.cause.name)}[/], seen in {escape(first.where)}")
        for label, text in (
            ("seen", first.message),
            ("declared by", "; ".join(first.declared)),
            ("why", first.cause.cause),
            ("cure", _cure(first)),
            ("more", f"docs/troubleshooting.md#{first.cause.code.lower()}, {first.cause.source}"),
        ):
            if text:
                out.print(f"  {label}: {escape(text)}", soft_wrap=True, highlight=False)
    elif (unknown := walked.untold) is not None:
        out.print(f"\n[yellow]cannot tell[/]: {escape(unknown.message)}", soft_wrap=True, highlight=False)
    else:
        out.print("\n[green]the whole way is fine[/]")


def _add(tree: Tree, each: Step) -> None:
    code = f" [bold red]{each.cause.code}[/]" if each.cause else ""
    where = f" [cyan]{escape(each.where)}[/]" if each.where else ""
    branch = tree.add(f"[bold]{escape(each.name)}[/]{where} {MARKS[each.state]}{code}: {escape(each.message)}")
    for line in each.details:
        branch.add(f"[dim]{escape(line)}[/]")
    for line in each.declared:
        branch.add(f"declared by {escape(line)}")
    for child in each.children:
        _add(branch, child)
