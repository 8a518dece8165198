"""`spanmesh lab fault`: something breaks in a lab, for as long as the command runs."""

import signal
import time
from contextlib import AbstractContextManager
from types import FrameType
from typing import Annotated, NoReturn

import typer

from cli.console import err
from lab import Lab

app = typer.Typer(
    no_args_is_help=True,
    help="Break something in a lab for a while: until Ctrl-C, or for so many seconds. `lab up` mends what a kill left.",
)

Name = Annotated[str, typer.Option("--lab", "-l", help="Name of the lab.")]
Seconds = Annotated[float | None, typer.Option("--seconds", "-s", min=0, help="For how long; default: until Ctrl-C.")]
Region = Annotated[str, typer.Argument(metavar="REGION", help="Name of a region, or of its cluster.")]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="Another one.")]


@app.command()
def cut(one: Region, other: Other, lab: Name = "demo", seconds: Seconds = None) -> None:
    """Cut the WAN between two regions."""
    _hold(Lab(lab).faults.cut(one, other), f"{one} and {other} do not reach each other", seconds)


@app.command()
def loss(
    source: Region,
    target: Other,
    percent: Annotated[float, typer.Option("--percent", "-p", help="How many of a hundred packets are lost.")],
    lab: Name = "demo",
    seconds: Seconds = None,
) -> None:
    """Lose packets on the way from one region to another; the way back is good."""
    _hold(
        Lab(lab).faults.lossy(source, target, percent), f"{source} to {target} loses {percent:g} % of packets", seconds
    )


@app.command()
def delay(
    one: Region,
    other: Other,
    milliseconds: Annotated[int, typer.Option("--milliseconds", "-m", help="How much longer each way.")] = 200,
    lab: Name = "demo",
    seconds: Seconds = None,
) -> None:
    """Delay every packet between two regions, in both directions."""
    _hold(
        Lab(lab).faults.delayed(one, other, milliseconds),
        f"{one} and {other} are {milliseconds} ms further apart",
        seconds,
    )


@app.command("api-server")
def api_server(region: Region, lab: Name = "demo", seconds: Seconds = None) -> None:
    """Stop a region's API server."""
    _hold(Lab(lab).faults.api_server_stopped(region), f"the API server of {region} is away", seconds)


@app.command()
def node(
    region: Region,
    number: Annotated[int, typer.Option("--node", "-n", help="Which node; 1 has the control plane.")] = 1,
    lab: Name = "demo",
    seconds: Seconds = None,
) -> None:
    """Take the power from a node, with every container on it."""
    _hold(Lab(lab).faults.node_down(region, number), f"node{number} of {region} is down", seconds)


@app.command()
def clock(
    region: Region,
    ahead: Annotated[int, typer.Option("--ahead", "-a", help="Seconds; negative: behind.")] = 86_400,
    lab: Name = "demo",
    seconds: Seconds = None,
) -> None:
    """Set a region's clock wrong, for all its programs and containers."""
    _hold(Lab(lab).faults.clock_wrong(region, ahead), f"the clock of {region} is {ahead} s ahead", seconds)


def _hold(fault: AbstractContextManager[None], what: str, seconds: float | None) -> None:
    # The end asked for by whoever runs it in the background mends as well.
    signal.signal(signal.SIGTERM, _interrupt)
    with fault:
        err.print(f"{what}; {'Ctrl-C' if seconds is None else f'{seconds:g} s'} ends it", highlight=False)
        try:
            if seconds is None:
                signal.pause()
            else:
                time.sleep(seconds)
        except KeyboardInterrupt:
            pass
        err.print("mending", highlight=False)
    err.print("mended", highlight=False)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
