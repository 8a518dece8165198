"""`spanmesh clusterless-preview`: what stacks would create, previewed without clusters, secrets or state."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.clusterless import ClusterlessPreview, preview_without_clusters
from cli.console import err, fail, out
from cli.options import Cwd, TextOutput
from cli.project import ROOT
from cli.pulumi import PulumiError
from cli.stack_files import stack_config, stack_names
from topology import MeshConfigError


def clusterless_preview(
    stacks: Annotated[list[str] | None, typer.Argument(help="Stacks to preview, one after the other.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every stack of the project.")] = False,
    charts: Annotated[
        str | None,
        typer.Option(help="Take Istio's charts from there: a repository's URL, or a folder with <version>/istiod."),
    ] = None,
    istio_version: Annotated[str | None, typer.Option(help="Preview with this Istio in every cluster.")] = None,
    output: TextOutput = "text",
    cwd: Cwd = ROOT,
) -> None:
    """Preview stacks on clusters that are stand-ins: the real program and plug-ins, but no access, secret or state.

    Everything shows as to be created. Fails if one of the previews does.
    """
    names = stack_names(cwd) if every else stacks or []
    if not names:
        fail("no stack is named. Name some, or give --all")
    istio = {key: value for key, value in (("charts", charts), ("version", istio_version)) if value}
    previews = []
    for name in names:
        err.print(f"[bold]==>[/] {name}")
        previews.append(_preview(cwd, name, istio))
    if output == "json":
        typer.echo(json.dumps([_as_json(preview) for preview in previews], indent=2))
    else:
        _print(previews)
    if any(preview.errors for preview in previews):
        raise typer.Exit(1)


def _preview(project: Path, name: str, istio: dict[str, str]) -> ClusterlessPreview:
    # One stack that cannot be previewed must not hide what the others say.
    try:
        return preview_without_clusters(project, name, stack_config(project, name), istio)
    except (MeshConfigError, PulumiError) as error:
        return ClusterlessPreview(name, 0.0, (), (), (str(error),))


def _print(previews: list[ClusterlessPreview]) -> None:
    table = Table("stack", "cluster", "resources to create")
    table.columns[2].justify = "right"
    for preview in previews:
        if preview.errors:
            table.add_row(preview.stack, "[red]failed[/]", "")
            continue
        for cluster in preview.clusters:
            table.add_row(preview.stack, cluster, str(preview.in_cluster(cluster)))
        table.add_row(preview.stack, "(in none)", str(preview.in_cluster(None)), end_section=True)
    out.print(table)
    for preview in previews:
        for error in preview.errors:
            err.print(f"[bold red]error:[/] stack {preview.stack}: ", end="")
            err.print(error, markup=False, soft_wrap=True)


def _as_json(preview: ClusterlessPreview) -> dict[str, object]:
    return {
        "stack": preview.stack,
        "ok": not preview.errors,
        "seconds": round(preview.seconds, 1),
        "resources": len(preview.resources),
        "clusters": {name: preview.in_cluster(name) for name in preview.clusters},
        "errors": list(preview.errors),
    }
