"""Seconds and memory of `pulumi up`, an unchanged preview and `pulumi destroy` on the lab: python -m bench.updates.

Needs a lab of three regions with nothing on it, and the shell of `spanmesh env` for it:
`spanmesh lab up bench --regions 3 --flat cluster2,cluster3 && eval "$(spanmesh env --lab bench)"`.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from bench.memory import PeakMemory
from bench.table import print_table
from cli.console import err, fail
from cli.project import ROOT
from cli.pulumi import PulumiStack

GIB = 2**30
EXAMPLE = ROOT / "stacks" / "Pulumi.lab-three.yaml"
PASSPHRASE = "bench"  # noqa: S105 - of a state that is thrown away
COMMANDS = {
    "up, from nothing": ("up", "--yes", "--skip-preview"),
    "preview, nothing to change": ("preview", "--expect-no-changes"),
    "destroy": ("destroy", "--yes", "--skip-preview"),
}


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    clusters: int
    what: str
    resources: int
    seconds: float
    rss: int


@contextmanager
def stack_of(clusters: int) -> Iterator[PulumiStack]:
    """The stack `lab-three` with its first clusters only, in a project folder and a state of their own."""
    example = yaml.safe_load(EXAMPLE.read_text())["config"]
    declared: list[Any] = example["spanmesh:mesh"]["clusters"]
    del declared[clusters:]
    with tempfile.TemporaryDirectory(prefix="spanmesh-bench-") as folder:
        project, state = Path(folder) / "project", Path(folder) / "state"
        (project / "stacks").mkdir(parents=True)
        state.mkdir()
        for entry in ROOT.iterdir():
            if entry.name not in ("stacks", ".git"):
                (project / entry.name).symlink_to(entry)
        (project / "stacks/Pulumi.bench.yaml").write_text(yaml.safe_dump({"config": example}))
        own = {"PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
        stack = PulumiStack(project, "bench", own)
        made = stack.select()
        if made.returncode:
            fail(made.stdout)
        yield stack


def measure(clusters: int) -> list[Figure]:
    """Bring a mesh up, preview it, and destroy it, also when something fails."""
    figures: list[Figure] = []
    with stack_of(clusters) as stack:
        for what, command in COMMANDS.items():
            err.print(f"[bold]==>[/] {clusters} clusters: {what}")
            started = time.monotonic()
            with PeakMemory() as watched:
                ended = stack.run(*command, capture=True)
            seconds = round(time.monotonic() - started, 1)
            if ended.returncode:
                stack.run(*COMMANDS["destroy"], capture=True)
                fail(f"`pulumi {command[0]}` failed:\n{ended.stdout}")
            if not figures:
                resources = len(stack.read("stack", "export")["deployment"]["resources"])
            figures.append(Figure(clusters, what, resources, seconds, watched.peak.rss))
    return figures


def main(
    clusters: Annotated[list[int], typer.Option(min=1, max=3, help="Number of clusters; repeatable.")] = [2, 3],  # noqa: B006
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure `pulumi up`, an unchanged preview, and `pulumi destroy` with meshes of several sizes on the lab."""
    figures = [found for number in clusters for found in measure(number)]
    if output == "json":
        typer.echo(json.dumps([asdict(found) for found in figures], indent=2))
        return
    names = ("clusters", "command", "resources", "seconds", "RSS GiB")
    rows = [(str(f.clusters), f.what, str(f.resources), str(f.seconds), f"{f.rss / GIB:.1f}") for f in figures]
    print_table(names, rows, markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    typer.run(main)
