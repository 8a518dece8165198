"""`spanmesh topology`: what follows from the declared mesh, without asking any cluster."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Column, Table

from cli.console import out
from cli.options import Cwd
from cli.project import ROOT, selected_stack
from cli.stack_files import stack_config, undecrypted_mesh
from live.declaration import refuse_plain_secrets
from topology import Mesh, MeshConfigError, Problem, load_mesh
from topology.diagrams import to_mermaid, to_svg
from topology.overview import overview


def topology(
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="Stack; default: the selected one.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A mesh file or a stack file, instead of a stack.")
    ] = None,
    output: Annotated[
        Literal["table", "json", "mermaid", "svg"],
        typer.Option("--output", "-o", help="table, json, mermaid (for Markdown) or svg (a picture)."),
    ] = "table",
    cwd: Cwd = ROOT,
) -> None:
    """Show clusters, networks, who reads whom, and which pairs go through whose east-west gateway.

    All of it follows from the stack file: no cluster is asked, no kubeconfig is read, nothing is decrypted.
    """
    if stack and file:
        raise MeshConfigError([Problem("--file", "both --stack and --file are given", "Keep one")])
    mesh = _mesh_of_file(file, cwd) if file else undecrypted_mesh(stack_config(cwd, stack or selected_stack(cwd)), cwd)
    if output == "json":
        typer.echo(json.dumps(overview(mesh), indent=2, ensure_ascii=False))
    elif output in ("mermaid", "svg"):
        typer.echo(to_svg(mesh) if output == "svg" else to_mermaid(mesh), nl=False)
    else:
        for table in topology_tables(overview(mesh)):
            out.print(table)


def _mesh_of_file(file: Path, project: Path) -> Mesh:
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise MeshConfigError(
            [Problem("--file", f"cannot read {file}: {error.strerror}", "Correct the path")]
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise MeshConfigError([Problem("--file", f"{file}{where} is not YAML", "Correct it there")]) from None
    # `config` is no key of a mesh: only a stack file has it.
    if isinstance(document, dict) and isinstance(document.get("config"), dict):
        return undecrypted_mesh(document["config"], project)
    refuse_plain_secrets(document, f"{file}: ", "Pulumi encrypts nothing in that file: use `env`, `path` or `stack`")
    return load_mesh(document)


def topology_tables(facts: dict[str, Any]) -> list[RenderableType]:
    """The clusters, and what each reads and by which way, as tables; then the sum of it in a line."""
    return [_clusters(facts), _reach(facts), _sum(facts)]


def _clusters(facts: dict[str, Any]) -> Table:
    clusters = facts["clusters"]
    optional = [key for key in ("region", "group", "cloud") if any(cluster[key] for cluster in clusters)]
    heads = ["cluster", "network", *optional, "Istio", "kubeconfig", "API server"]
    table = Table(*(Column(head, overflow="fold") for head in heads), title=f"Mesh {facts['mesh']['id']}")
    for cluster in clusters:
        shown = [cluster[key] or "-" for key in optional]
        row = [
            cluster["name"],
            cluster["network"],
            *shown,
            cluster["istio"],
            _kubeconfig(cluster["kubeconfig"]),
            cluster["apiServer"],
        ]
        table.add_row(*(escape(text) for text in row))
    return table


def _kubeconfig(source: dict[str, str | None]) -> str:
    words = (source["source"], source["name"], f"context {source['context']}" if source["context"] else None)
    return " ".join(word for word in words if word)


def _reach(facts: dict[str, Any]) -> Table:
    heads = ["cluster", "reads, pods directly", "reads, through the gateway of", "does not read", "its gateway is for"]
    table = Table(*(Column(head, overflow="fold") for head in heads), title="Who reads whom", show_lines=True)
    network = {cluster["name"]: cluster["network"] for cluster in facts["clusters"]}
    for cluster in facts["clusters"]:
        name = cluster["name"]
        pairs = [pair for pair in facts["pairs"] if pair["reader"] == name]
        same = [other for other in network if other != name and network[other] == network[name]]
        others = [other for other in network if network[other] != network[name]]
        by_route = {route: [p["peer"] for p in pairs if p["route"] == route] for route in ("direct", "gateway", None)}
        table.add_row(
            name,
            _names(by_route["direct"], same, f"on {network[name]}"),
            _names(by_route["gateway"], others, "on other networks"),
            _names(by_route[None], [other for other in network if other != name], "others"),
            _names(cluster["eastWest"]["neededBy"], others, "on other networks"),
        )
    return table


def _names(names: list[str], universe: list[str], where: str) -> str:
    """The names; in short where they are all of many."""
    if len(names) > 3 and names == universe:
        return f"all {len(names)} {where}"
    return ", ".join(names) or "-"


def _sum(facts: dict[str, Any]) -> str:
    routes = Counter(pair["route"] for pair in facts["pairs"])
    readers = {pair["reader"] for pair in facts["pairs"] if pair["reads"]}
    return (
        f"{len(facts['clusters'])} clusters on {len(facts['networks'])} networks: "
        f"of {len(facts['pairs'])} ordered pairs, "
        f"{routes['direct']} reach pods directly, {routes['gateway']} go through an east-west gateway, "
        f"{routes[None]} are not linked; remote Secrets: {len(readers)}"
    )
