"""Resources, seconds and memory of `pulumi preview` by number of clusters: python -m bench.previews --help.

Every preview is the real program with the real plug-ins, on clusters that are not there (`spanmesh
clusterless-preview`): what is measured is what Pulumi, its plug-ins and the program do, not what clusters answer.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from bench.memory import Memory, PeakMemory
from bench.table import print_table
from cli.clusterless import ClusterlessPreview, preview_without_clusters
from cli.console import err, fail
from cli.project import ROOT
from cli.pulumi import PulumiError

GIB = 2**30


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    clusters: int
    resources: int
    remote_secrets: int
    seconds: float
    memory: Memory


def mesh(clusters: int, links: object, groups: int = 0) -> dict[str, Any]:
    """A mesh of clusters that all lie on networks of their own.

    Args:
        clusters: how many.
        links: value of the key ``links``.
        groups: how many groups they are divided into, as equal as can be; 0: none.
    """
    declared: list[dict[str, Any]] = [
        {
            "name": f"cluster{n}",
            "network": f"network{n}",
            "apiServer": f"https://cluster{n}.example.com:6443",
            "eastWest": {"sourceRanges": ["203.0.113.0/24"]},
            **({"group": f"group{n % groups}"} if groups else {}),
        }
        for n in range(1, clusters + 1)
    ]
    divided = {"groups": {f"group{n}": {"stack": f"bench-group{n}"} for n in range(groups)}} if groups else {}
    return {"clusters": declared, "links": links, **divided}


def figure(what: str, declared: dict[str, Any], group: str | None, istio: dict[str, str]) -> Figure:
    """Preview one stack and measure it.

    Raises:
        PulumiError: the preview failed.
    """
    config = {"pulumi:disable-default-providers": ["kubernetes"], "spanmesh:mesh": declared}
    if group:
        config["spanmesh:group"] = group
    err.print(f"[bold]==>[/] {what}")
    with PeakMemory() as watched:
        preview = preview_without_clusters(ROOT, "bench", config, istio)
    if preview.errors:
        raise PulumiError("\n".join(preview.errors))
    return Figure(
        what,
        len(preview.clusters),
        len(preview.resources),
        remote_secrets(preview),
        round(preview.seconds, 1),
        watched.peak,
    )


def remote_secrets(preview: ClusterlessPreview) -> int:
    """How many Secrets istiods would read other clusters by."""
    return sum(resource.labels.get("istio/multiCluster") == "true" for resource in preview.resources)


def main(
    clusters: Annotated[list[int], typer.Option(help="Number of clusters; repeatable.")] = [2, 3, 50],  # noqa: B006
    groups: Annotated[int, typer.Option(help="Divide the largest mesh into so many groups; 0: do not.")] = 10,
    charts: Annotated[str, typer.Option(help="Istio's charts.")] = ".charts",
    istio_version: Annotated[str, typer.Option(help="Istio's version.")] = "1.32-dev",
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure fully linked meshes of several sizes; the largest one also as hub and spoke, and divided."""
    istio = {"charts": charts, "version": istio_version}
    largest = max(clusters)
    hubs = {"hubs": ["cluster1", "cluster2"]}
    asked: list[tuple[str, dict[str, Any], str | None]] = [
        *((f"{n} clusters, one stack", mesh(n, "full"), None) for n in clusters),
        (f"{largest} clusters, one stack, 2 hubs", mesh(largest, hubs), None),
    ]
    if groups:
        divided = mesh(largest, "full", groups)
        asked += [
            (f"{largest} in {groups} groups: one group", divided, "group1"),
            (f"{largest} in {groups} groups: trust and links", divided, None),
        ]
    figures: list[Figure] = []
    try:
        for what, declared, group in asked:
            figures.append(figure(what, declared, group, istio))
    except PulumiError as error:
        fail(f"{error}")
    finally:
        _print(figures, output)


def _print(figures: list[Figure], output: str) -> None:
    if output == "json":
        typer.echo(json.dumps([asdict(found) for found in figures], indent=2))
        return
    names = ("stack", "clusters", "resources", "remote Secrets", "seconds", "RSS GiB", "PSS GiB", "processes")
    rows = [_row(found) for found in figures]
    print_table(names, rows, markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, {platform.machine()}, load of the last 5 minutes {os.getloadavg()[1]:.1f}")
    parts = {found.what.rsplit(": ", 1)[-1]: found for found in figures}
    if group := parts.get("one group"):
        whole = max((found for found in figures if found.what.endswith(", one stack")), key=lambda f: f.clusters)
        err.print(
            f"one group takes {group.seconds / whole.seconds:.0%} of the time and "
            f"{group.memory.pss / whole.memory.pss:.0%} of the memory (PSS) of the same clusters in one stack"
        )


def _row(found: Figure) -> tuple[str, ...]:
    return (
        found.what,
        str(found.clusters),
        str(found.resources),
        str(found.remote_secrets),
        str(found.seconds),
        f"{found.memory.rss / GIB:.1f}",
        f"{found.memory.pss / GIB:.1f}",
        str(found.memory.processes),
    )


if __name__ == "__main__":
    typer.run(main)
