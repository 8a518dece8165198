"""`spanmesh tools`: which programs the lab and Pulumi use, and where they come from."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.console import fail, out, step
from cli.options import TextOutput
from toolchain import Origin, Tool, Toolchain, ToolError, ensure_packages

app = typer.Typer(no_args_is_help=True, help="Programs that the lab and Pulumi need: find, install, build.")


@app.command("list")
def list_tools(output: TextOutput = "text") -> None:
    """Show every tool: its version, where it comes from, and where it is. Installs nothing."""
    toolchain = Toolchain()
    rows = []
    for spec in toolchain.catalogue.tools:
        try:
            tool, note = toolchain.find(spec.id), toolchain.why_not_on_path(spec.id)
        except ToolError as cause:
            tool, note = None, str(cause)
        rows.append(
            {
                "name": spec.id,
                "wanted": spec.version,
                "neededBy": spec.needed_by,
                "what": spec.what,
                "version": tool.version if tool else None,
                "origin": tool.origin if tool else None,
                "path": str(tool.path) if tool else None,
                "note": note,
            }
        )
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("tool", "version", "from", "needed by", Column("where", overflow="fold"), box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["name"],
            row["version"] or row["wanted"],
            row["origin"] or "missing",
            row["neededBy"],
            row["path"] or "-",
        )
    Console(width=None if out.is_terminal else 200).print(table)
    for row in rows:
        if row["note"] and row["origin"] != "path":
            out.print(f"{row['name']}: not used from PATH: {row['note']}", markup=False, soft_wrap=True)


@app.command("install")
def install(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tools, as `list` names them, or `chromium`, which tests need; none: all. `demo`: what the demo needs."
        ),
    ] = None,
    origin: Annotated[
        Literal["build", "release", "path"] | None,
        typer.Option("--from", help="Only this way; default: on PATH, else official release, else built."),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: use the program there, now and later; NAME= takes that back. Repeatable."),
    ] = None,
    output: TextOutput = "text",
) -> None:
    """Have tools there, and say which way each was taken."""
    toolchain = Toolchain()
    try:
        toolchain.use_paths(_parse_paths(path or []))
        packages = [entry.package for entry in toolchain.catalogue.system if entry.needed_by == "tests"]
        named = [name for name in names or [] if name not in packages]
        if not names or len(named) < len(names):
            _install_packages(demanded=bool(names))
        tools = toolchain.ensure(_wanted(toolchain, named, origin), origin) if named or not names else {}
    except ToolError as cause:
        fail(str(cause))
    if output == "json":
        typer.echo(json.dumps([_as_json(tool) for tool in tools.values()], indent=2))
        return
    for tool in tools.values():
        out.print(f"{tool.name} {tool.version} ({tool.origin}): {tool.path}", markup=False, soft_wrap=True)


def _install_packages(demanded: bool) -> None:
    """What only tests need of the distribution; those tests are skipped where it cannot be had."""
    try:
        ensure_packages(step, needed_by="tests")
    except ToolError as cause:
        if demanded:
            raise
        step(f"some tests will be skipped: {cause}")


def _wanted(toolchain: Toolchain, names: list[str], origin: Origin | None) -> list[str]:
    if names == ["demo"]:
        names = toolchain.catalogue.needed_by_demo()
    if names:
        return names
    specs = toolchain.catalogue.tools
    if origin == "release":
        for spec in specs:
            if spec.release is None:
                step(f"{spec.id} is left out: {spec.no_release}")
        specs = [spec for spec in specs if spec.release is not None]
    return [spec.id for spec in specs]


def _parse_paths(given: list[str]) -> dict[str, Path | None]:
    paths: dict[str, Path | None] = {}
    for entry in given:
        name, equals, path = entry.partition("=")
        if not equals:
            raise ToolError(f"--path {entry}: expected NAME=PATH, or NAME= to take a path back")
        paths[name] = Path(path).expanduser().absolute() if path else None
    return paths


def _as_json(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "version": tool.version, "origin": tool.origin, "path": str(tool.path)}
