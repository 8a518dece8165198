"""Steady requests from every cluster, with what their clients cannot see: hidden failures, and pods that ended."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.load.connections import (
    HANDSHAKES,
    OPENED,
    RESUMED,
    Counts,
    connection_counts,
    counted_between,
    hidden_failures,
)
from live.load.steady import SteadyLoad, SteadyResult, steady_requests


@dataclass(frozen=True)
class WatchedResult:
    """What the requests of every cluster got, and what happened beside.

    Attributes:
        clients: by the client's cluster.
        counted: what all proxies of the sample counted meanwhile, by Envoy's names.
        ended: ``cluster/namespace/pod`` of pods that were there before and are gone, or have restarted since.
    """

    clients: Mapping[str, SteadyResult]
    counted: Counter[str]
    ended: Sequence[str]

    @property
    def failed(self) -> int:
        """Requests of all clusters that failed."""
        return sum(each.failed for each in self.clients.values())

    @property
    def failures(self) -> list[str]:
        """The client's cluster, time and text of those that are listed."""
        return [f"{name}: {failure}" for name, each in self.clients.items() for failure in each.failures]

    @property
    def hidden(self) -> dict[str, int]:
        """Connections that failed and requests that were sent again, by Envoy's names; empty where none were."""
        return hidden_failures(self.counted)

    @property
    def opened(self) -> int:
        """Connections that proxies opened to those of helloworld."""
        return self.counted[OPENED]

    @property
    def verified(self) -> int:
        """TLS handshakes in which both sides showed certificates: those that resumed no session."""
        return self.counted[HANDSHAKES] - self.counted[RESUMED]


@dataclass
class WatchedLoad:
    """Requests that go on from every cluster until :meth:`result` is asked for."""

    accesses: Mapping[str, ClusterAccess]
    namespace: str
    loads: Mapping[str, SteadyLoad]
    pods: Mapping[str, int]
    counts: Counts
    _result: WatchedResult | None = field(default=None, init=False)

    def wait_for(self, number: int, seconds: float) -> None:
        """Wait until so many requests of every cluster are through, or so much time is over.

        Args:
            number: of requests of each cluster.
            seconds: how long to wait at most.
        """
        end = time.monotonic() + seconds
        for load in self.loads.values():
            load.wait_for(number, end - time.monotonic())

    def result(self) -> WatchedResult:
        """Stop all of them, and count; the same again when asked again.

        Raises:
            LoadError: the requests of a cluster broke off.
            NoCountsError: a proxy does not count its connections.
            PodPortError: a proxy does not answer.
        """
        if self._result is None:
            with ThreadPoolExecutor(max_workers=len(self.loads)) as pool:
                results = dict(zip(self.loads, pool.map(SteadyLoad.result, self.loads.values()), strict=True))
            counted = counted_between(self.counts, connection_counts(self.accesses, self.namespace))
            self._result = WatchedResult(results, counted, ended_pods(self.pods, pods_and_restarts(self.accesses)))
        return self._result


@contextmanager
def watched_requests(
    accesses: Mapping[str, ClusterAccess], namespace: str, seconds: int, *, per_second: int = 80, workers: int = 1
) -> Iterator[WatchedLoad]:
    """Send requests from every cluster at a steady rate while the block runs, each over new connections.

    Args:
        accesses: the clusters, by Istio's name.
        namespace: of the sample.
        seconds: when the load ends by itself: well above what the block takes.
        per_second: how many requests a second of each cluster, where answers come fast enough.
        workers: how many of a cluster are under way at once.

    Yields:
        The load; ``load.result()`` stops it and says what came of it. Leaving the block stops the requests too.

    Raises:
        NoClientError: a cluster has no running client.
        NoCountsError: a proxy does not count its connections.
        LoadError: the requests of a cluster broke off.
    """
    pods, counts = pods_and_restarts(accesses), connection_counts(accesses, namespace)
    with ExitStack() as running:
        loads = {
            name: running.enter_context(
                steady_requests(access, namespace, seconds, per_second=per_second, workers=workers)
            )
            for name, access in accesses.items()
        }
        yield WatchedLoad(accesses, namespace, loads, pods, counts)


def pods_and_restarts(accesses: Mapping[str, ClusterAccess]) -> dict[str, int]:
    """By ``cluster/namespace/pod``, how often the containers of each pod have restarted.

    Args:
        accesses: the clusters, by Istio's name.
    """
    found = {}
    for name, access in accesses.items():
        with api_client(access) as api:
            pods = client.CoreV1Api(api).list_pod_for_all_namespaces(_request_timeout=TIMEOUT).items
        for pod in pods:
            if pod.metadata.deletion_timestamp is None:
                statuses = pod.status.container_statuses or []
                key = f"{name}/{pod.metadata.namespace}/{pod.metadata.name}"
                found[key] = sum(status.restart_count for status in statuses)
    return found


def ended_pods(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Pods that are gone, or have restarted, since an earlier look.

    Args:
        before: as :func:`pods_and_restarts` said then.
        after: as it says now.
    """
    return sorted(pod for pod, restarts in before.items() if after.get(pod, -1) != restarts)
