"""Seconds that a thousand documents of policy take through all checks: python -m bench.checks --help.

Every step is the one that `spanmesh policy check` and `pulumi preview` take: files are read with the line of each key,
documents are placed in clusters, held against the types of the Istio version (schema and CEL rules of its CRDs), and
against the mesh and what its clusters hold. The clusters are played: what they hold is given, not asked for.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from bench.policy_documents import live, mesh, write
from bench.table import print_table
from cli.console import err
from cli.project import ROOT
from judges.istioctl import second_opinion
from judges.shapes import shapes_of
from policy.files import read_items
from policy.review import gather, review
from topology import Istio

Value = TypeVar("Value")


@dataclass(frozen=True)
class Figure:
    """One line of the table: seconds of every step.

    Attributes:
        clusters: of the mesh; every document goes to all.
        documents: how many.
        read: reading the files.
        types: reading the CRDs of the Istio version.
        judge: all checks.
        errors: findings that would stop a preview.
        warnings: findings that would show in it.
        istioctl: validate and analyze; None where they were not asked for.
    """

    clusters: int
    documents: int
    read: float
    types: float
    judge: float
    errors: int
    warnings: int
    istioctl: float | None

    @property
    def total(self) -> float:
        """Seconds of all that is the project's own."""
        return self.read + self.types + self.judge


def timed(what: Callable[[], Value]) -> tuple[Value, float]:
    """What it returns, and the seconds that it took."""
    started = time.perf_counter()
    value = what()
    return value, time.perf_counter() - started


def figure(clusters: int, documents: int, version: str, *, second: bool) -> Figure:
    """Take documents through all checks once.

    Args:
        clusters: of the mesh.
        documents: how many.
        version: Istio's.
        second: whether istioctl is heard as well.
    """
    err.print(f"[bold]==>[/] {documents} documents, {clusters} clusters")
    declared = mesh(clusters).model_copy(update={"istio": Istio(version=version)})
    with tempfile.TemporaryDirectory(prefix="spanmesh-bench-") as folder:
        project = Path(folder)
        (project / "policies").mkdir()
        write(project / "policies", documents)
        read, reading = timed(lambda: read_items(declared.policies, project))
    shapes, typing = timed(lambda: shapes_of(declared, ROOT))
    holds = {cluster.name: live(documents) for cluster in declared.clusters}
    found, judging = timed(lambda: review(declared, gather(declared, read), shapes.by_cluster, holds))
    asked = timed(lambda: second_opinion(found.world, found.findings))[1] if second else None
    return Figure(
        clusters, len(read.documents), reading, typing, judging, len(found.errors), len(found.warnings), asked
    )


def main(
    clusters: Annotated[list[int], typer.Option(min=1, help="Number of clusters; repeatable.")] = [2, 10],  # noqa: B006
    documents: Annotated[int, typer.Option(min=1, help="Number of documents.")] = 1000,
    istio_version: Annotated[str, typer.Option(help="Istio's version.")] = "1.32-dev",
    istioctl: Annotated[bool, typer.Option(help="Time istioctl validate and analyze as well.")] = True,
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure the checks of policy for meshes of several sizes, without a cluster."""
    figures = [figure(number, documents, istio_version, second=istioctl) for number in clusters]
    if output == "json":
        typer.echo(json.dumps([{**asdict(found), "total": found.total} for found in figures], indent=2))
        return
    names = ("clusters", "documents", "read", "types", "checks", "together", "errors", "warnings", "istioctl")
    rows = [
        (
            str(f.clusters),
            str(f.documents),
            *(f"{seconds:.2f} s" for seconds in (f.read, f.types, f.judge, f.total)),
            str(f.errors),
            str(f.warnings),
            "-" if f.istioctl is None else f"{f.istioctl:.1f} s",
        )
        for f in figures
    ]
    print_table(names, rows, markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    typer.run(main)
