"""What an outage of one region's backends costs the clients there: python -m bench.failover --help.

Needs a lab of two regions with nothing on it, and the shell of `spanmesh env` for it:
`spanmesh lab up bench && eval "$(spanmesh env --lab bench)"`.

The `localityFailover` helper from cn-north-4 to cn-east-3, with the article's outlier detection (one failure in a row
leaves an endpoint out for a minute) and each kind of retries, and with what the helper itself says of both. Every
process of every backend in cluster1, proxies as well, is killed at once while the client of each cluster sends one
request after the other, each over a new connection; five seconds later a backend is asked for again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from bench.lab_mesh import NAMESPACE, LabMesh, lab_mesh
from bench.outage import outage
from bench.servers import wait_until
from bench.table import print_table, spread
from cli.console import err, fail
from lab import Lab
from live.load.constant import requests_at_once

CLUSTER = "cluster1"
BETWEEN = [{"from": "cn-north-4", "to": "cn-east-3"}]
OBEYED_SECONDS = 60
ARTICLE = {"outlierDetection": {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "1m"}}
# What the helper says: of `retries` nothing for its own, null for Istio's, no attempts for none.
KINDS: Mapping[str, dict[str, Any]] = {
    "the helper's": ARTICLE,
    "Istio's own": {**ARTICLE, "retries": None},
    "none": {**ARTICLE, "retries": {"attempts": 0}},
    "the helper's, and its outlier detection": {},
}


@dataclass(frozen=True)
class Figure:
    """One outage.

    Attributes:
        retries: which requests are sent again.
        first_remote: seconds from the kill to the first answer from the other region.
        failed: requests from cluster1 that failed.
        failed_elsewhere: requests from the other cluster that failed.
        sent: requests from cluster1 all together.
        first_local: seconds from a backend being ready again, as kubelet said, to the first answer from it.
    """

    retries: str
    first_remote: float
    failed: int
    failed_elsewhere: int
    sent: int
    first_local: float


def at_home(mesh: LabMesh) -> bool:
    """Whether every cluster's own backends alone answer its client."""
    return all(set(requests_at_once(a, NAMESPACE, 20).answers) == {name} for name, a in mesh.accesses.items())


def measure(lab: str, runs: int) -> Iterator[Figure]:
    """Bring the mesh up, have outages with each kind of retries, and destroy it."""
    with lab_mesh() as mesh:
        for what, given in KINDS.items():
            helper = {"service": f"helloworld.{NAMESPACE}", "failover": BETWEEN, **given}
            mesh.declare(helpers=[{"localityFailover": helper}])
            mesh.up()
            wait_until(lambda: at_home(mesh), OBEYED_SECONDS, "every cluster answered by its own backends")
            for number in range(runs):
                err.print(f"[bold]==>[/] retries: {what}, outage {number + 1} of {runs}")
                found = outage(lab, mesh.accesses, CLUSTER, NAMESPACE)
                for failure in found.failures:
                    err.print(f"    failed: {failure}", markup=False)
                others = [len(r.failures) for name, r in found.results.items() if name != CLUSTER]
                sent = found.results[CLUSTER].sent
                yield Figure(what, found.first_remote, len(found.failures), sum(others), sent, found.first_local)


def main(
    lab: Annotated[str, typer.Option(help="Name of the lab.")] = "bench",
    runs: Annotated[int, typer.Option(min=1, help="Outages with each kind of retries.")] = 5,
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure time to fail over, failed requests, and time to return, with and without retries."""
    if not Lab(lab).exists:
        fail(f"there is no lab {lab}: `spanmesh lab up {lab}`, or name another with --lab")
    found = list(measure(lab, runs))
    if output == "json":
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    names = (
        "retries",
        "outages",
        "seconds to the first remote answer",
        "failed requests",
        "of cluster2",
        "requests",
        "seconds from ready to the first local answer",
    )
    rows = [
        (
            what,
            str(len(of_kind)),
            spread([each.first_remote for each in of_kind]),
            ", ".join(str(each.failed) for each in of_kind),
            str(sum(each.failed_elsewhere for each in of_kind)),
            str(sum(each.sent for each in of_kind)),
            spread([each.first_local for each in of_kind]),
        )
        for what in KINDS
        if (of_kind := [each for each in found if each.retries == what])
    ]
    print_table(names, rows, markdown=output == "markdown")
    err.print(f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    typer.run(main)
