"""Waiting until clusters hold a declared trust, counted from their istiods and proxies again and again."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from kubernetes import client

from health.observed import Unknown
from health.trust_change import HeldTrust, Obstacle, told
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError, explained
from live.trust.held import read_all_held
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE

Held = Mapping[str, HeldTrust | Unknown]

REFRESH = "spanmesh.io/cacerts-refreshed"
PAUSE_SECONDS = 1.0
# Thousands of proxies are not asked without a pause.
PAUSE_SHARE = 1.0
# kubelet may not have seen the changed Secret yet when it is asked the first time.
REFRESH_SECONDS = 5.0
# Where nothing changes meanwhile, so often it is said again for whom it is waited.
REMINDER_SECONDS = 30.0


@dataclass(frozen=True)
class Waited:
    """How waiting ended.

    Attributes:
        left: for whom it would have to go on; empty: everybody holds what was waited for.
        held: what each cluster held at the last look.
        seconds: how long it was waited.
    """

    left: Sequence[Obstacle]
    held: Held
    seconds: float


def wait_until_clear(
    accesses: Mapping[str, ClusterAccess],
    judge: Callable[[Held], Sequence[Obstacle]],
    seconds: float,
    say: Callable[[str], None],
) -> Waited:
    """Look until nothing stands against something, and say meanwhile for whom it is waited.

    Whoever is waited for may be an istiod that has not seen a changed Secret yet: kubelet is asked to renew it at once.

    Args:
        accesses: the clusters, by Istio's name.
        judge: from what they hold to what stands against it.
        seconds: after so many there is no further look; 0: one look, and nothing is touched.
        say: told in a sentence for whom it is waited, when that changes, and every half a minute.
    """
    started = time.monotonic()
    said, said_at, refreshed_at = [""], started, 0.0
    while True:
        before = time.monotonic()
        held = read_all_held(accesses)
        left, now = judge(held), time.monotonic()
        if not left or now - started >= seconds:
            return Waited(left, held, now - started)
        lines = told(left)
        if lines != said or now - said_at >= REMINDER_SECONDS:
            said, said_at = lines, now
            say(f"{seconds - (now - started):.0f} s left, waiting for {'; '.join(lines)}")
        if now - refreshed_at >= REFRESH_SECONDS:
            refreshed_at = now
            refresh_mounted({name: accesses[name] for name in {each.cluster for each in left}})
        time.sleep(max(PAUSE_SECONDS, PAUSE_SHARE * (now - before)))


def refresh_mounted(accesses: Mapping[str, ClusterAccess]) -> None:
    """Have kubelet renew the Secret ``cacerts`` in istiod's pods at once, which else takes a minute or more.

    A change of a pod makes kubelet look at its volumes, so an annotation does it; no pod is restarted. Where it fails,
    nothing is lost but time.

    Args:
        accesses: the clusters, by Istio's name.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        list(pool.map(_refresh, accesses.values()))


def _refresh(access: ClusterAccess) -> None:
    mark = {"metadata": {"annotations": {REFRESH: datetime.now(UTC).isoformat(timespec="milliseconds")}}}
    with suppress(UnreachableError), explained(access, "annotating istiod's pods"), api_client(access) as api:
        core = client.CoreV1Api(api)
        for name in _istiods(core):
            core.patch_namespaced_pod(name, NAMESPACE, mark, _request_timeout=TIMEOUT)


def _istiods(core: client.CoreV1Api) -> Collection[str]:
    pods = core.list_namespaced_pod(NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT).items
    return [pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None]
