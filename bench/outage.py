"""What requests meet when the backends of one region end without notice, and when they are there again."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.servers import end_servers, restore_servers, wait_until
from live.kubeconfig import ClusterAccess
from live.load.constant import Answer, LoadResult, constant_requests, requests_at_once

PAUSE_SECONDS = 0.02
RETURN_SECONDS = 120
LOAD_SECONDS = 300
BEFORE_SECONDS = AFTER_SECONDS = 2


@dataclass(frozen=True)
class Outage:
    """The requests of every cluster, and when the backends of one of them were away.

    Attributes:
        cluster: whose backends ended.
        results: by the client's cluster.
        ended: just before they were ended, in seconds since 1970.
        ready: when one of them was ready again, as kubelet said.
    """

    cluster: str
    results: Mapping[str, LoadResult]
    ended: float
    ready: float

    @property
    def first_remote(self) -> float:
        """Seconds from the end of the backends to the first answer from another cluster."""
        return self._first_remote.came - self.ended

    @property
    def failures(self) -> list[str]:
        """Requests of the cluster's own client that failed."""
        return self.results[self.cluster].failures

    @property
    def first_local(self) -> float:
        """Seconds from a backend being ready again to the first answer from it; less than 0: before kubelet said so."""
        remote = self._first_remote
        local = next(a for a in self._each if a.came > remote.came and a.cluster == self.cluster)
        return local.came - self.ready

    @property
    def places(self) -> list[str]:
        """Where the cluster's own client got its answers from, in order, each change once."""
        clusters = [answer.cluster for answer in self._each if answer.cluster]
        return [name for name, before in zip(clusters, ["", *clusters], strict=False) if name != before]

    @property
    def _each(self) -> list[Answer]:
        return self.results[self.cluster].each

    @property
    def _first_remote(self) -> Answer:
        return next(a for a in self._each if a.came > self.ended and a.cluster not in ("", self.cluster))


def outage(
    lab: str, accesses: Mapping[str, ClusterAccess], cluster: str, namespace: str = "sample", seconds: float = 5
) -> Outage:
    """End a cluster's backends under load from every cluster, leave them away for a time, and bring them back.

    Args:
        lab: name of the lab.
        accesses: the clusters, by Istio's name.
        cluster: whose backends end.
        namespace: of the sample.
        seconds: how long they are away before they are asked to come back.

    Raises:
        StillError: they do not come back, or get no request again.
    """

    def home_again() -> bool:
        return set(requests_at_once(accesses[cluster], namespace, 10).answers) == {cluster}

    with ExitStack() as running:
        loads = {
            name: running.enter_context(constant_requests(access, namespace, LOAD_SECONDS, pause=PAUSE_SECONDS))
            for name, access in accesses.items()
        }
        time.sleep(BEFORE_SECONDS)
        ended = time.time()
        try:
            end_servers(lab, accesses[cluster], namespace)
            time.sleep(seconds)
        finally:
            restore_servers(accesses[cluster], namespace)
        ready = time.time()
        wait_until(home_again, RETURN_SECONDS, f"cluster {cluster}: its requests answered by its own backends")
        time.sleep(AFTER_SECONDS)
    return Outage(cluster, {name: load.result() for name, load in loads.items()}, ended, ready)
