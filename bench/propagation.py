"""Seconds until every cluster obeys a changed policy: python -m bench.propagation --help.

Needs a lab of two regions with nothing on it, and the shell of `spanmesh env` for it:
`spanmesh lab up bench && eval "$(spanmesh env --lab bench)"`.

A VirtualService sends all requests to one version of helloworld, and then all to the other. The client of each cluster
sends one request after the other, each over a new connection, while the change is made: what counts is the first
answer from the new version. A watch on each API server says when it accepted the change.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Annotated, Any, Literal

import typer
from kubernetes import client, watch

from bench.lab_mesh import NAMESPACE, LabMesh, lab_mesh
from bench.servers import wait_until
from bench.table import print_table, spread
from cli.console import err
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.load.constant import Load, LoadResult, constant_requests, requests_at_once

GROUP, VERSION, PLURAL, NAME = "networking.istio.io", "v1", "virtualservices", "helloworld"
HOST = f"{NAME}.{NAMESPACE}.svc.cluster.local"
SUBSETS = ("v1", "v2")
PAUSE_SECONDS = 0.005
LOAD_SECONDS = 120
WATCH_SECONDS = 120
AFTER_SECONDS = 2


@dataclass(frozen=True)
class Change:
    """What one change took in one cluster, in seconds.

    Attributes:
        how: by `pulumi up`, or at the API servers themselves.
        cluster: the cluster.
        accepted: from the start of the change until the API server had accepted the object.
        obeyed: from then until the first answer from the new version came.
        failed: requests that failed meanwhile.
        spacing: median of the time between two requests: no figure is finer than this.
    """

    how: str
    cluster: str
    accepted: float
    obeyed: float
    failed: int
    spacing: float


@dataclass
class Accepted:
    """When an API server told of each change of the VirtualService, in seconds since 1970."""

    access: ClusterAccess
    times: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = watch.Watch()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(10)

    def stop(self) -> None:
        """End the watch: at once if a change comes, or when its time is over."""
        self._watch.stop()

    def _run(self) -> None:
        with api_client(self.access) as api:
            custom = client.CustomObjectsApi(api)
            arguments = (GROUP, VERSION, NAMESPACE, PLURAL)
            listed = custom.list_namespaced_custom_object(*arguments, _request_timeout=TIMEOUT)
            since = listed["metadata"]["resourceVersion"]
            self._started.set()
            changes = self._watch.stream(
                custom.list_namespaced_custom_object, *arguments, resource_version=since, timeout_seconds=WATCH_SECONDS
            )
            for change in changes:
                found = change["object"]
                if found["metadata"]["name"] == NAME:
                    self.times.setdefault(chosen(found), time.time())
                    return


def policy(subset: str) -> list[dict[str, Any]]:
    """All requests to one version; a new connection between proxies for each."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
    route = {"hosts": [HOST], "http": [{"route": [{"destination": {"host": HOST, "subset": subset}}]}]}
    rule = {
        "host": HOST,
        "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
        "subsets": [{"name": each, "labels": {"version": each}} for each in SUBSETS],
    }
    return [
        {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": metadata, "spec": spec}
        for kind, spec in (("VirtualService", route), ("DestinationRule", rule))
    ]


def chosen(virtual_service: Mapping[str, Any]) -> str:
    """The version that a VirtualService sends requests to."""
    return str(virtual_service["spec"]["http"][0]["route"][0]["destination"]["subset"])


def obeyed(mesh: LabMesh, subset: str) -> bool:
    """Whether every cluster's client gets answers from one version only."""
    return all(set(requests_at_once(a, NAMESPACE, 5).versions) == {subset} for a in mesh.accesses.values())


@contextmanager
def watched(mesh: LabMesh) -> Iterator[tuple[dict[str, Load], dict[str, Accepted]]]:
    """Requests from every cluster, and a watch on every API server."""
    with ExitStack() as running:
        watches = {name: Accepted(access) for name, access in mesh.accesses.items()}
        for each in watches.values():
            running.callback(each.stop)
        loads = {
            name: running.enter_context(constant_requests(access, NAMESPACE, LOAD_SECONDS, pause=PAUSE_SECONDS))
            for name, access in mesh.accesses.items()
        }
        time.sleep(AFTER_SECONDS)
        yield loads, watches


def change(mesh: LabMesh, subset: str, how: str, make: Callable[[], None]) -> list[Change]:
    """Make one change under load, and look when every cluster obeyed."""
    err.print(f"[bold]==>[/] {how}: all to {subset}")
    with watched(mesh) as (loads, watches):
        started = time.time()
        make()
        wait_until(lambda: obeyed(mesh, subset), LOAD_SECONDS / 2, f"every cluster sends all requests to {subset}")
        time.sleep(AFTER_SECONDS)
    return [
        measured(how, name, load.result(), started, watches[name].times[subset], subset) for name, load in loads.items()
    ]


def measured(how: str, cluster: str, result: LoadResult, started: float, accepted: float, subset: str) -> Change:
    """The figures of one cluster's requests."""
    first = next(answer for answer in result.each if answer.came > started and answer.version == subset)
    gaps = [after.asked - before.asked for before, after in zip(result.each, result.each[1:], strict=False)]
    return Change(how, cluster, accepted - started, first.came - accepted, len(result.failures), median(gaps))


def patched(mesh: LabMesh, subset: str) -> None:
    """Change the VirtualService at every API server itself, one after the other."""
    for access in mesh.accesses.values():
        with api_client(access) as api:
            client.CustomObjectsApi(api).patch_namespaced_custom_object(
                GROUP, VERSION, NAMESPACE, PLURAL, NAME, {"spec": policy(subset)[0]["spec"]}, _request_timeout=TIMEOUT
            )


def updated(mesh: LabMesh, subset: str) -> None:
    """Change the VirtualService in the policy file, and run `pulumi up`."""
    mesh.declare(policy(subset))
    mesh.up()


def measure(ups: int, patches: int) -> list[Change]:
    """Bring the mesh up, change its policy back and forth, and destroy it.

    Args:
        ups: how many changes by `pulumi up`.
        patches: how many at the API servers: more of them in the same time.
    """
    found: list[Change] = []
    with lab_mesh() as mesh:
        updated(mesh, SUBSETS[0])
        wait_until(lambda: obeyed(mesh, SUBSETS[0]), LOAD_SECONDS, "the first policy obeyed")
        now = 0
        for how, times, make in (("pulumi up", ups, updated), ("API server", patches, patched)):
            for _ in range(times):
                now = 1 - now
                subset = SUBSETS[now]
                found += change(mesh, subset, how, lambda make=make, subset=subset: make(mesh, subset))  # type: ignore[misc]
    return found


def main(
    ups: Annotated[int, typer.Option(min=1, help="Changes by `pulumi up`.")] = 4,
    patches: Annotated[int, typer.Option(min=1, help="Changes at the API servers themselves.")] = 10,
    output: Annotated[
        Literal["text", "json", "markdown"], typer.Option("--output", "-o", help="How to print.")
    ] = "text",
) -> None:
    """Measure how long a change of policy takes until the first request in each cluster obeys."""
    found = measure(ups, patches)
    if output == "json":
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    names = ("changed by", "cluster", "changes", "start to accepted", "accepted to obeyed", "failed requests")
    groups = dict.fromkeys((each.how, each.cluster) for each in found)
    rows = []
    for how, cluster in groups:
        of_group = [each for each in found if (each.how, each.cluster) == (how, cluster)]
        accepted, took = [e.accepted for e in of_group], [e.obeyed for e in of_group]
        failed = str(sum(e.failed for e in of_group))
        rows.append((how, cluster, str(len(of_group)), spread(accepted), spread(took), failed))
    print_table(names, rows, markdown=output == "markdown")
    err.print(
        f"seconds: median (least to most); a request every {median(each.spacing for each in found) * 1000:.0f} ms; "
        f"{os.cpu_count()} CPUs, load of the last 5 minutes {os.getloadavg()[1]:.1f}"
    )


if __name__ == "__main__":
    typer.run(main)
