"""`spanmesh lab`: real clusters in separated regions on this machine, up, down and looked into."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from cli import lab_fault
from cli.console import err, out
from cli.environment import ISTIO_CURRENT
from cli.options import Format, Output
from lab import Lab, LabError, LabStatus, lab_names
from lab import Progress as LabProgress
from lab.lab import Report
from lab.load_balancer.cloud import known_clouds

app = typer.Typer(no_args_is_help=True, help="The lab: real clusters in regions that cannot reach each other.")

app.add_typer(lab_fault.app, name="fault")

Name = Annotated[str, typer.Argument(help="Name of the lab.")]
_FOLLOW_SECONDS = 0.5


@app.command()
def up(
    name: Name = "demo",
    regions: Annotated[
        int | None, typer.Option(min=1, help="Number of regions; default: as it is, 2 for a new lab.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Nodes in each region; default: as it is, 1 for a new lab.")
    ] = None,
    istio: Annotated[
        list[str] | None, typer.Option("--istio", help="Istio version whose images the nodes hold. Repeatable.")
    ] = None,
    flat: Annotated[
        list[str] | None,
        typer.Option(
            "--flat",
            metavar="CLUSTER,CLUSTER[,...]",
            help="Clusters on one network, whose pods reach each other directly. Repeatable; default: as it is, none "
            "for a new lab.",
        ),
    ] = None,
) -> None:
    """Bring a lab up, or repair it. What is there and healthy stays as it is."""
    lab = Lab(name)
    groups = [[each.strip() for each in group.split(",") if each.strip()] for group in flat or []]
    with shown_progress() as report:
        lab.up(regions=regions, nodes=nodes, istio_versions=istio or [ISTIO_CURRENT], flat=groups, report=report)
    for region in lab.regions:
        out.print(f"{region.name} ({region.cluster}): {lab.kubeconfig(region.name)}", soft_wrap=True, highlight=False)


@app.command()
def down(
    name: Name = "demo",
    every: Annotated[bool, typer.Option("--all", help="Take down every lab on this machine.")] = False,
) -> None:
    """Take a lab away: processes, namespaces, mounts, cgroups and files, whatever state it is in."""
    for each in lab_names() if every else [name]:
        lab = Lab(each)
        if not lab.exists:
            err.print(f"lab {each}: nothing to take down", highlight=False)
            continue
        with shown_progress() as report:
            lab.down(report)
        err.print(f"lab {each}: down", highlight=False)


@app.command()
def cloud(
    which: Annotated[str, typer.Argument(help=f"One of {', '.join(known_clouds())}, or path of a file like theirs.")],
    name: Name = "demo",
    region: Annotated[
        list[str] | None, typer.Option("--region", "-r", help="Region or cluster. Repeatable; default: all.")
    ] = None,
    address_group: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=CIDR[,...]", help="A group of addresses for the cloud's access control. Repeatable."),
    ] = None,
) -> None:
    """Make the load balancers of a running lab behave as those of a cloud."""
    groups = {}
    for each in address_group or []:
        key, equals, ranges = each.partition("=")
        if not (key and equals):
            raise LabError(
                f"address group {each!r} is not of the form ID=CIDR,CIDR; for example partners=198.51.100.12/32"
            )
        groups[key] = [text for text in ranges.split(",") if text]
    played = Lab(name).play_cloud(which, regions=region or [], address_groups=groups)
    err.print(f"lab {name}: load balancers as those of {played.name}", highlight=False)


@app.command()
def status(
    name: Name = "demo",
    output: Output = Format.TABLE,
) -> None:
    """Show each component of a lab, healthy or not, and why. Exit code 1 if one is not."""
    found = Lab(name).status()
    if output is Format.JSON:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_table(_networks_table(found))
        out.print()
        _print_table(_status_table(found))
    if not found.healthy:
        raise typer.Exit(1)


@app.command()
def logs(
    name: Name = "demo",
    component: Annotated[str | None, typer.Argument(help="As `status` names it; none: list those with a log.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now.")] = False,
    tail: Annotated[int, typer.Option(min=0, help="Lines from the end.")] = 100,
) -> None:
    """Print the log of one component of a lab."""
    lab = Lab(name)
    if component is None:
        for each in lab.components():
            typer.echo(each)
        return
    path = lab.logs(component)
    with path.open(errors="replace") as file:
        for line in deque(file, maxlen=tail):
            typer.echo(line, nl=False)
        if follow:
            for line in _appended(path, file.tell()):
                typer.echo(line, nl=False)


@app.command()
def kubeconfig(
    region: Annotated[str, typer.Argument(help="Name of the region, or of its cluster.")],
    lab: Annotated[str, typer.Option("--lab", "-l", help="Name of the lab.")] = "demo",
) -> None:
    """Print the path of the kubeconfig of one region."""
    typer.echo(Lab(lab).kubeconfig(region))


@app.command("list")
def list_labs() -> None:
    """Show the labs on this machine."""
    table = Table("lab", "regions", Column("folder", overflow="fold"), box=None, pad_edge=False)
    for each in lab_names():
        lab = Lab(each)
        try:
            regions = ", ".join(region.name for region in lab.regions)
        except LabError:
            regions = f"left over; `spanmesh lab down {each}` clears it away"
        table.add_row(each, regions, str(lab.folder))
    _print_table(table)


def _print_table(table: Table) -> None:
    # Not cut at 80 columns in a pipe or a log.
    Console(width=None if out.is_terminal else 200).print(table)


@contextmanager
def shown_progress() -> Iterator[Report]:
    """Show the steps of `up` or `down`: on a terminal one moving line per region, elsewhere a line per step."""
    if not err.is_terminal:
        yield lambda each: err.print(_as_line(each), soft_wrap=True, highlight=False, markup=False)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    display = Progress(*columns, console=err)
    tasks: dict[str | None, TaskID] = {}

    def show(each: LabProgress) -> None:
        # Not before: until the first step the toolchain may be showing its own progress.
        display.start()
        if each.region not in tasks:
            tasks[each.region] = display.add_task("", total=1)
        text = f"{each.region or 'lab'}: {each.step}"
        display.update(tasks[each.region], description=text, completed=1 if each.finished else 0)

    try:
        yield show
    finally:
        display.stop()


def _as_line(each: LabProgress) -> str:
    return f"{each.seconds:6.1f} s  {each.region + ': ' if each.region else ''}{each.step}"


def _networks_table(found: LabStatus) -> Table:
    table = Table("network", "region", "cluster", "API server", "pods", "cloud", box=None, pad_edge=False)
    for each in sorted(found.regions, key=lambda each: (len(each.network), each.network)):
        table.add_row(each.network, each.name, each.cluster, each.api, each.pods, each.cloud)
    return table


def _status_table(found: LabStatus) -> Table:
    table = Table("region", "component", "health", Column("reason", overflow="fold"), box=None, pad_edge=False)
    for title, components in [("", found.components), *((each.name, each.components) for each in found.regions)]:
        for each in components:
            health = "[green]healthy[/]" if each.healthy else "[bold red]unhealthy[/]"
            table.add_row(title, each.name, health, each.reason.replace("[", "\\["))
    return table


def _appended(path: Path, position: int) -> Iterator[str]:
    """Lines written to a log after a position, for ever; a log that was rotated is read from its beginning."""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0
        if size > position:
            with path.open(errors="replace") as file:
                file.seek(position)
                yield from file
                position = file.tell()
        time.sleep(_FOLLOW_SECONDS)
