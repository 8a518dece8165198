"""What keeping a mesh alive costs its traffic: python -m bench.upkeep --help.

Needs a lab of three regions with nothing on it and with both Istio versions, and the shell of `spanmesh env` for it:
`spanmesh lab up bench --regions 3 --flat cluster2,cluster3 --istio 1.32-dev --istio 1.22.3 && eval "$(spanmesh env
--lab bench)"`. Without `root-3` two regions do.

Every cluster's client sends requests meanwhile, each over a new connection, for which its proxy opens a new one to that
of helloworld, half of them in the other region. Istio has a proxy send a request again that it could not connect for:
*sent again* are those, which no client sees fail.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Literal

import typer

from bench.lab_mesh import lab_mesh
from bench.table import print_table
from bench.upkeep_parts import Figure, cut_wan, replace_gateway, rotate_root, stop_api_server, upgrade
from cli.console import err, fail
from cli.environment import ISTIO_CURRENT
from lab import Lab

FORMER = "1.22.3"


class Part(StrEnum):
    """One thing that is done to a mesh."""

    GATEWAY = "gateway"
    WAN = "wan"
    OUTAGE = "outage"
    ROOT_2 = "root-2"
    ROOT_3 = "root-3"
    UPGRADE = "upgrade"


def measure(lab: str, parts: Sequence[Part], requests: int) -> Iterator[Figure]:
    """Bring meshes up one after the other, and do these things to them."""
    if {Part.GATEWAY, Part.WAN, Part.OUTAGE, Part.ROOT_2} & set(parts):
        with lab_mesh() as mesh:
            if Part.GATEWAY in parts:
                err.print("[bold]==>[/] an east-west gateway is replaced")
                yield replace_gateway(mesh)
            if Part.WAN in parts:
                err.print("[bold]==>[/] the WAN is cut and healed")
                yield from cut_wan(lab, mesh)
            if Part.OUTAGE in parts:
                err.print("[bold]==>[/] an API server is away")
                yield stop_api_server(lab, mesh)
            if Part.ROOT_2 in parts:
                err.print("[bold]==>[/] the root of two clusters is rotated")
                yield rotate_root(mesh, requests)
    if Part.ROOT_3 in parts:
        with lab_mesh(3) as mesh:
            err.print("[bold]==>[/] the root of three clusters is rotated")
            yield rotate_root(mesh, requests)
    if Part.UPGRADE in parts:
        with lab_mesh(version=FORMER) as mesh:
            err.print("[bold]==>[/] one cluster is upgraded")
            yield upgrade(mesh, ISTIO_CURRENT)


def main(
    lab: Annotated[str, typer.Option(help="Name of the lab.")] = "bench",
    part: Annotated[list[Part], typer.Option(help="Only this. Repeatable.")] = list(Part),  # noqa: B006
    requests: Annotated[int, typer.Option(min=1, help="Least number of every cluster's while a root is rotated.")] = (
        20_000
    ),
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure seconds and failed requests of rotation, upgrade, a healed WAN, a gateway replaced, no API server."""
    if not Lab(lab).exists:
        fail(f"there is no lab {lab}: `spanmesh lab up {lab} --regions 3`, or name another with --lab")
    found = list(measure(lab, part, requests))
    if output == "json":
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    names = ("what", "clusters", "seconds", "requests", "failed", "sent again", "handshakes", "pods ended")
    print_table(names, [_row(each) for each in found], markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}")


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.what,
        str(figure.clusters),
        f"{figure.seconds:.1f}",
        ", ".join(map(str, figure.sent)),
        str(figure.failed),
        str(figure.hidden.get("upstream_rq_retry", 0)),
        "-" if figure.handshakes is None else str(figure.handshakes),
        str(figure.ended),
    )


if __name__ == "__main__":
    typer.run(main)
