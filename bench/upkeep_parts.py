"""What happens to a mesh that is kept for years, each done once under load: rotation, upgrade, faults."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from bench.lab_mesh import NAMESPACE, LabMesh
from bench.servers import StillError, wait_until
from cli.console import err
from lab import Lab
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.load.client import OK
from live.load.connections import connection_counts, counted_between, hidden_failures
from live.load.constant import Answer, Load, constant_requests
from live.load.watched import WatchedLoad, WatchedResult, ended_pods, pods_and_restarts, watched_requests
from topology.defaults import NAMESPACE as ISTIO_NAMESPACE

CHANGED = "cluster2"
GATEWAY = "istio-eastwestgateway"
# 20,000 in four minutes; what three clusters on two cores make of it, with an update beside them, is less than five.
PER_SECOND, WORKERS = 88, 2
FEW_PER_SECOND = 20
LOAD_SECONDS = 1800
FEW_SECONDS = 120
PAUSE_SECONDS = 0.02
# While a way is cut every second request hangs until its client gives up.
CLIENTS = 3
CUT_SECONDS = 10
OUTAGE_SECONDS = 600
AROUND_SECONDS = 3
HEAL_SECONDS = 60
ROLLOUT_SECONDS = 180

Answers = Mapping[str, Sequence[Answer]]
"""By the client's cluster."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: was done.
        clusters: of the mesh.
        seconds: it took.
        sent: requests of each cluster's client.
        failed: of all of them together.
        hidden: connections between proxies that failed and requests that proxies sent again, by Envoy's names.
        handshakes: between proxies with certificates shown; None: not counted.
        ended: pods that were there before and are gone, or restarted.
    """

    what: str
    clusters: int
    seconds: float
    sent: Sequence[int]
    failed: int
    hidden: Mapping[str, int]
    handshakes: int | None
    ended: int


def rotate_root(mesh: LabMesh, requests: int) -> Figure:
    """Another root by our own command, under so many requests from every cluster."""

    def rotate(load: WatchedLoad) -> float:
        seconds = mesh.command("rotate", "root", "--yes")
        load.wait_for(requests, LOAD_SECONDS)
        return seconds

    return _under_load(mesh, "root rotated", rotate)


def upgrade(mesh: LabMesh, version: str) -> Figure:
    """One cluster to another Istio version in place, with its gateways, by our own command."""
    what = f"one cluster upgraded in place to {version}"
    return _under_load(mesh, what, lambda _: mesh.command("upgrade", "--to", version, "--cluster", CHANGED, "--yes"))


def cut_wan(lab: str, mesh: LabMesh) -> list[Figure]:
    """The two regions lose the way to each other for a while, then have it again."""
    before, pods = connection_counts(mesh.accesses, NAMESPACE), pods_and_restarts(mesh.accesses)
    with _Timed(mesh.accesses) as timed:
        time.sleep(AROUND_SECONDS)
        began = time.time()
        with Lab(lab).faults.cut(*mesh.accesses):
            time.sleep(CUT_SECONDS)
        healed = time.time()
        time.sleep(HEAL_SECONDS / 2)
    results = timed.results()
    cut, after = between(results, began, healed), between(results, healed, time.time())
    hidden = hidden_failures(counted_between(before, connection_counts(mesh.accesses, NAMESPACE)))
    ended = len(ended_pods(pods, pods_and_restarts(mesh.accesses)))
    number = len(mesh.accesses)
    return [
        Figure(f"WAN cut for {CUT_SECONDS} s", number, healed - began, *_told(cut), hidden, None, ended),
        Figure(
            "WAN healed, to the first answers across",
            number,
            across(results, healed) - healed,
            *_told(after),
            {},
            None,
            0,
        ),
    ]


def stop_api_server(lab: str, mesh: LabMesh) -> Figure:
    """A cluster's API server is away for ten minutes, and back for a while."""

    def away(_: WatchedLoad) -> float:
        started = time.monotonic()
        with Lab(lab).faults.api_server_stopped(CHANGED):
            time.sleep(OUTAGE_SECONDS)
        # As long as Kubernetes would take to call a node dead whose lease is old.
        time.sleep(HEAL_SECONDS)
        return time.monotonic() - started - HEAL_SECONDS

    return _under_load(mesh, "API server of one cluster away", away, FEW_PER_SECOND)


def replace_gateway(mesh: LabMesh) -> Figure:
    """Every pod of one east-west gateway replaced by a new one, as an update of its Deployment does."""
    before, pods = connection_counts(mesh.accesses, NAMESPACE), pods_and_restarts(mesh.accesses)
    with _Timed(mesh.accesses) as timed:
        time.sleep(AROUND_SECONDS)
        started = time.monotonic()
        _restart(mesh.accesses[CHANGED])
        seconds = time.monotonic() - started
        time.sleep(AROUND_SECONDS)
    results = timed.results()
    hidden = hidden_failures(counted_between(before, connection_counts(mesh.accesses, NAMESPACE)))
    ended = len(ended_pods(pods, pods_and_restarts(mesh.accesses)))
    return Figure("east-west gateway replaced", len(mesh.accesses), seconds, *_told(results), hidden, None, ended)


def _under_load(mesh: LabMesh, what: str, work: Callable[[WatchedLoad], float], per_second: int = PER_SECOND) -> Figure:
    """Do something that says how many seconds it took; what the requests got is shown also where it fails."""
    with watched_requests(mesh.accesses, NAMESPACE, LOAD_SECONDS, per_second=per_second, workers=WORKERS) as load:
        time.sleep(AROUND_SECONDS)
        try:
            seconds = work(load)
            time.sleep(AROUND_SECONDS)
        finally:
            result = load.result()
            _show(result)
    sent, ended = [each.sent for each in result.clients.values()], len(result.ended)
    return Figure(what, len(sent), seconds, sent, result.failed, result.hidden, result.verified, ended)


def _show(result: WatchedResult) -> None:
    for name, each in result.clients.items():
        err.print(
            f"    {name}: {each.sent} requests in {each.seconds:.0f} s, {each.failed} failed, the slowest took "
            f"{each.longest:.2f} s, answered by {dict(each.answers)}",
            soft_wrap=True,
        )
    err.print(
        f"    {result.opened} connections between proxies, {result.verified} with certificates shown; {result.hidden}"
    )
    for failure in result.failures:
        err.print(f"    failed: {failure}", markup=False, soft_wrap=True)
    for pod in result.ended:
        err.print(f"    ended: {pod}", markup=False, soft_wrap=True)


class _Timed:
    """Requests from every cluster, some at once, each with its time."""

    def __init__(self, accesses: Mapping[str, ClusterAccess]) -> None:
        self._accesses = accesses
        self._running = ExitStack()
        self._loads: dict[str, list[Load]] = {}

    def __enter__(self) -> "_Timed":
        for name, access in self._accesses.items():
            self._loads[name] = [
                self._running.enter_context(constant_requests(access, NAMESPACE, FEW_SECONDS, pause=PAUSE_SECONDS))
                for _ in range(CLIENTS)
            ]
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def results(self) -> Answers:
        """What they got, by the client's cluster, in the order of time."""
        return {
            name: sorted((each for load in loads for each in load.result().each), key=lambda each: each.asked)
            for name, loads in self._loads.items()
        }


def between(answers: Answers, begin: float, end: float) -> Answers:
    """Those that were asked for between two moments, in seconds since 1970."""
    return {name: [each for each in of_client if begin <= each.asked < end] for name, of_client in answers.items()}


def across(answers: Answers, since: float) -> float:
    """When every cluster's client had been answered by another cluster, in seconds since 1970.

    Args:
        answers: by the client's cluster, in the order of time.
        since: what came earlier does not count, likewise.

    Raises:
        StillError: one was not.
    """
    first = []
    for name, of_client in answers.items():
        came = [each.came for each in of_client if each.came > since and each.cluster not in ("", name)]
        if not came:
            raise StillError(f"the client of {name} has not been answered by another cluster since")
        first.append(min(came))
    return max(first)


def _told(answers: Answers) -> tuple[list[int], int]:
    """How many were sent by each client, and how many failed; each failure is shown."""
    failed = [(name, each) for name, of_client in answers.items() for each in of_client if each.status != OK]
    for name, each in failed:
        at = datetime.fromtimestamp(each.asked, UTC)
        err.print(f"    failed: {name}: {at:%H:%M:%S} {each.status} {each.text}", markup=False, soft_wrap=True)
    return [len(of_client) for of_client in answers.values()], len(failed)


def _restart(access: ClusterAccess) -> None:
    """What `kubectl rollout restart` does; returns when it is over."""
    with api_client(access) as api:
        apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
        before = {pod.metadata.uid for pod in _gateways(core)}
        mark = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
        template = {"spec": {"template": {"metadata": {"annotations": mark}}}}
        apps.patch_namespaced_deployment(GATEWAY, ISTIO_NAMESPACE, template, _request_timeout=TIMEOUT)

        def replaced() -> bool:
            return not before & {pod.metadata.uid for pod in _gateways(core)}

        wait_until(replaced, ROLLOUT_SECONDS, f"cluster {access.name}: every pod of {GATEWAY} replaced")


def _gateways(core: client.CoreV1Api) -> Sequence[Any]:
    found: Sequence[Any] = core.list_namespaced_pod(
        ISTIO_NAMESPACE, label_selector="istio=eastwestgateway", _request_timeout=TIMEOUT
    ).items
    return found
