"""Requests without a pause while a test changes something: each over a new connection of the client, all counted."""

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.pod_exec import pod_exec
from live.traffic import CLIENT_SELECTOR, URL

REQUEST_SECONDS = 5
ANSWERED_BY = re.compile(r", cluster: (?P<cluster>[^,]+),")


@dataclass(frozen=True)
class LoadResult:
    """What the requests got.

    Attributes:
        sent: how many were sent.
        failures: curl's message of each that failed; empty where none did.
        answers: by the name of the cluster that answered helloworld.
    """

    sent: int
    failures: list[str]
    answers: Counter[str]


@dataclass
class Load:
    """Requests that go on in a pod until :meth:`result` is asked for, or their time is over."""

    access: ClusterAccess
    pod: Any
    script: str
    seconds: float
    _stop_file: str = field(default_factory=lambda: f"/tmp/load-{uuid.uuid4().hex[:12]}")  # noqa: S108
    _result: LoadResult | None = None

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._printed = self._pool.submit(self._run, self.script.format(stop=self._stop_file), self.seconds)

    def result(self) -> LoadResult:
        """Stop, and count; the same again when asked again."""
        if self._result is None:
            self._run(f"touch {self._stop_file}", REQUEST_SECONDS)
            printed = self._printed.result()
            self._pool.shutdown()
            *lines, last = printed.splitlines() or [""]
            assert last == f"done {len(lines)}", f"the load of {self.access.name} broke off: {printed[-300:]}"
            failures = [line.removeprefix("failed ") for line in lines if line.startswith("failed ")]
            answers = Counter(m["cluster"] for line in lines if (m := ANSWERED_BY.search(line)))
            self._result = LoadResult(len(lines), failures, answers)
        return self._result

    def _run(self, script: str, seconds: float) -> str:
        name, namespace, container = (
            self.pod.metadata.name,
            self.pod.metadata.namespace,
            self.pod.metadata.labels["app"],
        )
        return pod_exec(self.access, name, namespace, container, ["sh", "-c", script], seconds + 2 * REQUEST_SECONDS)


@contextmanager
def constant_requests(
    access: ClusterAccess, namespace: str, seconds: int, *, url: str | None = None, pause: float = 0.1
) -> Iterator[Load]:
    """Send one request after the other from the client of one cluster while the block runs.

    Args:
        access: cluster of the client, the pod ``app=sleep``.
        namespace: its namespace.
        seconds: when the load ends by itself: well above what the block takes.
        url: what is asked; ``http://helloworld.<namespace>:5000/hello`` where None.
        pause: seconds between two requests.

    Yields:
        The load; ``load.result()`` stops it and says what came of it. Leaving the block stops it too.
    """
    asked = url or URL.format(namespace=namespace)
    script = (
        f"n=0; end=$(( $(date +%s) + {seconds} )); "
        "while [ ! -e {stop} ] && [ $(date +%s) -lt $end ]; do n=$((n+1)); "
        f'if answer=$(curl -sS -f -m {REQUEST_SECONDS} "{asked}" 2>&1); '
        f'then echo "$answer"; else echo "failed" $answer; fi; sleep {pause}; done; '
        'rm -f {stop}; echo "done $n"'
    )
    with api_client(access) as api:
        pods = client.CoreV1Api(api).list_namespaced_pod(
            namespace, label_selector=CLIENT_SELECTOR, _request_timeout=TIMEOUT
        )
    pod = next(p for p in pods.items if p.status.phase == "Running" and p.metadata.deletion_timestamp is None)
    load = Load(access, pod, script, seconds)
    with ExitStack() as stopped:
        stopped.callback(load.result)
        yield load
