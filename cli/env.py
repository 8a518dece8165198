"""`spanmesh env`: turn an ordinary shell into one that works on a lab."""

import shlex
from typing import Annotated

import typer

from cli.console import err, fail
from cli.environment import ISTIO_CURRENT, PULUMI_TOOLS, charts_tool, lab_environment, link_charts
from lab import Lab
from toolchain import Tool, Toolchain


def env(
    lab: Annotated[str, typer.Option("--lab", "-l", help="Name of the lab.")] = "demo",
) -> None:
    """Print what a shell has to export to work on a lab: eval "$(./spanmesh env)"."""
    chosen = Lab(lab)
    if not chosen.exists:
        fail(f"there is no lab called {lab}. Bring it up with `spanmesh lab up {lab}`, or run `make demo`")
    names = [*PULUMI_TOOLS, charts_tool(ISTIO_CURRENT)]
    toolchain = Toolchain()
    tools: dict[str, Tool] = {}
    for name in names:
        found = toolchain.find(name)
        if found is None:
            fail(f"the tool {name} is not there. Get it with `spanmesh tools install {name}`")
        tools[name] = found
    for extra in ("istioctl@" + ISTIO_CURRENT, charts_tool("1.22.3")):
        if found := toolchain.find(extra):
            tools[extra] = found
        else:
            err.print(f"{extra} is not there yet: `spanmesh tools install {extra}` gets it", soft_wrap=True)
    link_charts(tools)
    for key, value in lab_environment(chosen, tools).items():
        typer.echo(f"export {key}={shlex.quote(value)}")
