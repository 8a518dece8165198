"""Everything of several clusters that tells of their mesh, all at once, into one archive."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kubernetes import client

from live.bundle import objects
from live.bundle.archive import Archive, ClosedError
from live.bundle.pods import Target, read_pod, targets
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import PODS, Api
from live.probe import NAMESPACE as PROBE
from live.reachability import UnreachableError, explained
from topology.defaults import NAMESPACE

# Requests to one cluster at a time.
CALLS = 4
# Proxies of workloads: of a namespace that was asked for, and of all others together where none was.
PROXIES_ASKED_FOR, PROXIES = 8, 2
# What the injector puts on every pod with a sidecar.
SIDECAR = "security.istio.io/tlsMode=istio"


@dataclass(frozen=True)
class Wanted:
    """What is looked at beside what every mesh has.

    Attributes:
        namespaces: namespaces whose workloads, proxies and proxy logs are wanted.
        since: how old a log line or an event may be.
    """

    namespaces: Sequence[str] = ()
    since: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Gathered:
    """What became of one cluster.

    Attributes:
        cluster: Istio's name of the cluster.
        files: how many files of it are in the archive.
        missing: how many could not be had; the archive's index says why.
        silent: why nothing at all could be had; empty: something could.
        seconds: how long it took.
    """

    cluster: str
    files: int
    missing: int
    silent: str = ""
    seconds: float = 0


def gather_clusters(
    accesses: Mapping[str, ClusterAccess], wanted: Wanted, into: Archive, done: Callable[[Gathered], None]
) -> list[Gathered]:
    """Read every cluster at once; one that does not answer costs its own timeout and nothing else.

    Args:
        accesses: the clusters, by Istio's name.
        wanted: what is looked at.
        into: where it goes.
        done: told of each cluster as it is done, from this thread.

    Returns:
        In the order of ``accesses``.
    """
    found: dict[str, Gathered] = {}
    stopped = threading.Event()
    pool = ThreadPoolExecutor(max_workers=max(1, len(accesses)), thread_name_prefix="gather")
    try:
        futures = [pool.submit(_cluster, access, wanted, into, stopped) for access in accesses.values()]
        for future in as_completed(futures):
            each = future.result()
            found[each.cluster] = each
            done(each)
    finally:
        # After Ctrl-C nothing that has not begun is begun.
        stopped.set()
        pool.shutdown(cancel_futures=True)
    return [found[name] for name in accesses]


def _cluster(access: ClusterAccess, wanted: Wanted, into: Archive, stopped: threading.Event) -> Gathered:
    started, folder = time.monotonic(), f"clusters/{access.name}"
    silent = ""
    try:
        with explained(access, "reading its version"), api_client(access) as api:
            version = Api(api).get("/version")
            into.add(f"{folder}/version.json", version, "version of the API server")
            _read(_Reading(access, api, folder, into, stopped), wanted)
    except UnreachableError as error:
        silent = f"{error.cause}. {error.cure}"
        into.lacks(f"{folder}/", f"cluster {access.name}", silent)
    except ClosedError:
        pass
    seconds = time.monotonic() - started
    return Gathered(access.name, into.holding(f"{folder}/"), into.lacking(f"{folder}/"), silent, seconds)


@dataclass(frozen=True)
class _Reading:
    """One cluster while it is read."""

    access: ClusterAccess
    api: client.ApiClient
    folder: str
    into: Archive
    stopped: threading.Event

    def ask(self, question: objects.Question) -> Any:
        """The answer, which is in the archive then; None: it could not be had, as the archive says."""
        if self.stopped.is_set():
            raise ClosedError
        path = f"{self.folder}/{question.path}"
        try:
            with explained(self.access, question.what):
                answer = question.ask(Api(self.api))
        except UnreachableError as error:
            self.into.lacks(path, question.what, f"{error.cause}. {error.cure}")
            return None
        except (LookupError, TypeError, ValueError) as error:
            self.into.lacks(path, question.what, f"the answer cannot be read: {type(error).__name__}: {error}")
            return None
        # A kind that nobody uses is no file.
        if answer:
            self.into.add(path, answer, question.what)
        return answer

    def pods(self, namespace: str, selector: str) -> list[Any]:
        """Pods by label, of one namespace or of all; none where they cannot be listed, as the archive says."""
        where = f"listing pods with {selector} of {namespace or 'all namespaces'}"
        try:
            with explained(self.access, where):
                return list(Api(self.api).list(PODS, namespace, selector))
        except UnreachableError as error:
            self.into.lacks(f"{self.folder}/proxies/{namespace}", where, f"{error.cause}. {error.cure}")
            return []

    def pod(self, target: Target, since: timedelta) -> None:
        """What one pod says."""
        if self.stopped.is_set():
            raise ClosedError
        read_pod(self.access, self.api, target, since, self.into)


def _read(reading: _Reading, wanted: Wanted) -> None:
    namespaces = list(dict.fromkeys((*wanted.namespaces, PROBE)))
    asked = list(objects.questions(namespaces, wanted.since))
    with ThreadPoolExecutor(max_workers=CALLS, thread_name_prefix=reading.folder) as pool:
        answers = pool.map(reading.ask, asked)
        policy = pool.submit(_policy, reading)
        pods = [
            pod for question, answer in zip(asked, answers, strict=True) if _is_pods(question) for pod in answer or ()
        ]
        policy.result()
        _each(pool, lambda target: reading.pod(target, wanted.since), _targets(reading, wanted, pods))


def _policy(reading: _Reading) -> None:
    try:
        with explained(reading.access, "reading which kinds of Istio it serves"):
            asked = list(objects.policy(Api(reading.api)))
    except UnreachableError as error:
        reading.into.lacks(f"{reading.folder}/policy/", "Istio policy", f"{error.cause}. {error.cure}")
        return
    for question in asked:
        reading.ask(question)


def _is_pods(question: objects.Question) -> bool:
    return question.path.endswith("/pods.json")


def _targets(reading: _Reading, wanted: Wanted, pods: Sequence[Any]) -> list[Target]:
    """Every istiod and gateway; the proxies of the namespaces that are looked at, or else a few of any."""
    control = [pod for pod in pods if pod["metadata"]["namespace"] == NAMESPACE]
    found = list(targets(reading.folder, control))
    for namespace in dict.fromkeys((*wanted.namespaces, PROBE)):
        here = [pod for pod in pods if pod["metadata"]["namespace"] == namespace]
        found += list(targets(reading.folder, _telling(here)))[:PROXIES_ASKED_FOR]
    if not wanted.namespaces:
        others = [p for p in reading.pods("", SIDECAR) if p["metadata"]["namespace"] not in {NAMESPACE, PROBE}]
        # Their logs are of somebody's requests: only those of namespaces that were asked for are taken.
        found += list(targets(reading.folder, _telling(others), logs=False))[:PROXIES]
    return found


def _telling(pods: Iterable[Any]) -> list[Any]:
    """Pods that are not ready first, then one of each workload before a second one of any."""
    seen: dict[str, int] = {}
    ranked = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        owners = pod["metadata"].get("ownerReferences") or [{}]
        owner = f"{pod['metadata']['namespace']}/{owners[0].get('name')}"
        seen[owner] = seen.get(owner, 0) + 1
        ranked.append((_is_ready(pod), seen[owner], pod))
    return [pod for *_, pod in sorted(ranked, key=lambda each: each[:2])]


def _is_ready(pod: Any) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _each(pool: ThreadPoolExecutor, do: Callable[[Target], None], all_of: Sequence[Target]) -> None:
    for _ in pool.map(do, all_of):
        pass
