"""Requests to helloworld from a client pod, each over a new connection of the client: at once, or without a pause.

Both count every answer, and what the proxy or curl said where there was none.
"""

import shlex
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from live.kubeconfig import ClusterAccess
from live.load.client import HELLO, OK, RECORD_END, LoadError, header_options, load_pod, run_in
from live.load.traffic import REQUEST_SECONDS, URL

__all__ = ["Answer", "Load", "LoadError", "LoadResult", "constant_requests", "requests_at_once"]

# Slowest that a machine under load has been seen to send them one after the other, each a new connection.
SECONDS_EACH = 0.1
SCRIPT = """
set -f; n=0; end=$(( ${{EPOCHREALTIME%.*}} + {seconds} ))
while [ ! -e {stop} ] && [ ${{EPOCHREALTIME%.*}} -lt $end ]; do
  n=$((n+1)); asked=$EPOCHREALTIME
  answer=$(curl -sS -m {limit} {headers} -w ' %{{http_code}}' {url} 2>&1)
  echo $asked $EPOCHREALTIME $answer; sleep {pause}
done
rm -f {stop}; echo "done $n"
"""


@dataclass(frozen=True)
class Answer:
    """What one request got.

    Attributes:
        status: HTTP status; 0 where there was no answer at all.
        text: what was answered, or why nothing was.
        asked: when it was sent, in seconds since 1970 by the clock of the client's node; 0 where it was not taken.
        came: when the answer came, likewise.
    """

    status: int
    text: str
    asked: float = 0
    came: float = 0

    @property
    def version(self) -> str:
        """Version of helloworld that answered; empty where none did."""
        return found["version"] if self.status == OK and (found := HELLO.search(self.text)) else ""

    @property
    def cluster(self) -> str:
        """Cluster that answered; empty where none did."""
        return found["cluster"] if self.status == OK and (found := HELLO.search(self.text)) else ""


@dataclass(frozen=True)
class LoadResult:
    """What the requests of one client got, in the order in which they were sent."""

    each: list[Answer]

    @property
    def sent(self) -> int:
        """How many were sent."""
        return len(self.each)

    @property
    def failures(self) -> list[str]:
        """Status and text of each that was not answered by 200; empty where all were."""
        return [f"{answer.status} {answer.text}" for answer in self.each if answer.status != OK]

    @property
    def answers(self) -> Counter[str]:
        """How many each cluster answered."""
        return Counter(answer.cluster for answer in self.each if answer.cluster)

    @property
    def versions(self) -> Counter[str]:
        """How many each version answered."""
        return Counter(answer.version for answer in self.each if answer.version)


@dataclass
class Load:
    """Requests that go on in a pod until :meth:`result` is asked for, or their time is over."""

    access: ClusterAccess
    pod: Any
    script: str
    stop_file: str
    seconds: float
    _result: LoadResult | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._printed = self._pool.submit(run_in, self.access, self.pod, self.script, self.seconds)

    def result(self) -> LoadResult:
        """Stop, and count; the same again when asked again.

        Raises:
            LoadError: the requests broke off.
        """
        if self._result is None:
            run_in(self.access, self.pod, f"touch {self.stop_file}", REQUEST_SECONDS)
            printed = self._printed.result()
            self._pool.shutdown()
            *lines, last = printed.splitlines() or [""]
            if last != f"done {len(lines)}":
                raise LoadError(f"the load of {self.access.name} broke off: {printed[-300:]}")
            self._result = LoadResult([_timed(line) for line in lines])
        return self._result


@contextmanager
def constant_requests(
    access: ClusterAccess,
    namespace: str,
    seconds: int,
    *,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
    pause: float = 0.1,
) -> Iterator[Load]:
    """Send one request after the other from the client of one cluster while the block runs.

    Args:
        access: cluster of the client, the pod ``app=sleep``.
        namespace: its namespace.
        seconds: when the load ends by itself: well above what the block takes.
        url: what is asked; ``http://helloworld.<namespace>:5000/hello`` where None.
        headers: headers of every request.
        pause: seconds between two requests.

    Yields:
        The load; ``load.result()`` stops it and says what came of it. Leaving the block stops it too.

    Raises:
        NoClientError: the cluster has no running client.
        LoadError: the requests broke off.
    """
    stop = f"/tmp/load-{uuid.uuid4().hex[:12]}"  # noqa: S108 - of the pod
    script = SCRIPT.format(
        seconds=seconds,
        stop=stop,
        limit=REQUEST_SECONDS,
        headers=header_options(headers),
        url=shlex.quote(url or URL.format(namespace=namespace)),
        pause=pause,
    )
    load = Load(access, load_pod(access, namespace), script, stop, seconds)
    with ExitStack() as stopped:
        stopped.callback(load.result)
        yield load


def requests_at_once(
    access: ClusterAccess,
    namespace: str,
    number: int,
    *,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> LoadResult:
    """Send many requests as fast as one connection after the other goes: about 160 a second on two cores.

    Args:
        access: cluster of the client, the pod ``app=sleep``.
        namespace: its namespace.
        number: how many requests.
        url: what is asked; ``http://helloworld.<namespace>:5000/hello`` where None.
        headers: headers of every request.

    Raises:
        NoClientError: the cluster has no running client.
        LoadError: the requests broke off.
    """
    # curl itself counts from 1 to the number, and each answer closes its connection.
    asked = f"{url or URL.format(namespace=namespace)}?n=[1-{number}]"
    written = shlex.quote(f"\t%{{http_code}}\t%{{errormsg}}{RECORD_END}")
    options = f"-m {REQUEST_SECONDS} {header_options({'Connection': 'close', **(headers or {})})}"
    script = f"curl -s {options} -w {written} {shlex.quote(asked)}"
    printed = run_in(access, load_pod(access, namespace), script, number * SECONDS_EACH + 2 * REQUEST_SECONDS)
    each = [_untimed(record) for record in printed.split(RECORD_END)[:-1]]
    if len(each) != number:
        raise LoadError(f"{len(each)} of {number} requests of {access.name} ended in time")
    return LoadResult(each)


def _timed(line: str) -> Answer:
    asked, came, rest = line.split(" ", 2)
    text, _, status = rest.rpartition(" ")
    return Answer(int(status), text, float(asked), float(came))


def _untimed(record: str) -> Answer:
    body, status, error = record.rsplit("\t", 2)
    return Answer(int(status), " ".join(f"{body} {error}".split()))
