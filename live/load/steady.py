"""A load of many thousand requests at a steady rate, counted inside the client's pod.

It goes on while the API server of its cluster is away, for nothing but its start and its end passes there.
"""

import shlex
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from live.kubeconfig import ClusterAccess
from live.load.client import HELLO, LoadError, header_options, load_pod, run_in
from live.load.traffic import REQUEST_SECONDS, URL

# Far beyond what a mesh may take: a machine that gives its containers no time for seconds is no failure of requests,
# and what takes long is told by `longest`.
ANSWER_SECONDS = 15
LISTED = 100
"""Failures that keep their time and text; all of them are counted."""
# busybox's awk takes record ends of one character; none of these stands in a body of the sample.
COUNTING = r"""
BEGIN { RS = "\x1e"; FS = "\t" }
NF > 3 {
  sent++; took = $(NF - 1) + 0; if (took > longest) longest = took
  if ($(NF - 2) != 200) {
    failed++; gsub(/[\n\t]+/, " ")
    if (failed <= listed) print "failed\t" systime() "\t" $0
  } else if (match($0, /Hello version: [^,\t]+, cluster: [^,\t]+,/)) answered[substr($0, RSTART, RLENGTH)]++
  if (sent % 20 == 0) { print sent > progress; close(progress) }
}
END {
  for (answer in answered) print "answered\t" answered[answer] "\t" answer
  print "longest\t" longest + 0; print "sent\t" sent + 0 "\t" failed + 0
}
"""
# Each request closes its connection. curl counts from 1 to a second's number, and between two rounds of that
# there is a look at whether to stop; what it is asked last, it ends.
SENDING = """
set -f; touch {files}.started; end=$(( ${{EPOCHREALTIME%.*}} + {seconds} ))
send() {{
  while [ ! -e {files}.stop ] && [ ${{EPOCHREALTIME%.*}} -lt $end ]; do
    curl -s -N -m {limit} --rate {rate}/s {headers} -w {written} {url} &
    echo $! > {files}.$1.pid; wait $!
  done | awk -v progress={files}.$1.progress -v listed={listed} {counting} > {files}.$1.part
  mv {files}.$1.part {files}.$1.counts
}}
for worker in {workers}; do (exec < /dev/null > /dev/null 2>&1; send $worker) & done
"""
# A round that hangs at every request would take minutes: after two of them it is ended where it is.
ENDING = """
[ -e {files}.started ] || exit 1
touch {files}.stop; round=0
for worker in {workers}; do
  while [ ! -e {files}.$worker.counts ] && [ $round -lt {rounds} ]; do round=$((round + 1)); sleep 0.1; done
  [ -e {files}.$worker.counts ] || kill $(cat {files}.$worker.pid)
  while [ ! -e {files}.$worker.counts ] && [ $round -lt {last} ]; do round=$((round + 1)); sleep 0.1; done
  cat {files}.$worker.counts || exit 1
done
rm -f {files}.*; echo ended
"""


@dataclass(frozen=True)
class Failure:
    """A request that was not answered by 200.

    Attributes:
        at: when that was seen, in whole seconds since 1970 by the clock of the client's node.
        text: the body, the status (000: there was no answer), the seconds it took, and what curl says.
    """

    at: int
    text: str


@dataclass(frozen=True)
class SteadyResult:
    """What the requests of one client got.

    Attributes:
        sent: how many were sent.
        failed: how many of them were not answered by 200.
        listed: the first :data:`LISTED` of those of each worker, in the order of time.
        answers: how many each cluster answered.
        versions: how many each version answered.
        longest: seconds that the slowest one took.
        seconds: from the first request to the last, about.
    """

    sent: int
    failed: int
    listed: tuple[Failure, ...]
    answers: Counter[str]
    versions: Counter[str]
    longest: float
    seconds: float

    @property
    def failures(self) -> list[str]:
        """Time of day and text of each failure that is listed; empty where every request was answered."""
        return [f"{time.strftime('%H:%M:%S', time.gmtime(each.at))} {each.text}" for each in self.listed]


@dataclass
class SteadyLoad:
    """Requests that go on in a pod until :meth:`result` is asked for, or their time is over."""

    access: ClusterAccess
    pod: Any
    files: str
    workers: int
    started: float = field(default_factory=time.monotonic)
    _result: SteadyResult | None = field(default=None, init=False)

    def sent(self) -> int:
        """How many are through by now, or a few less."""
        printed = run_in(self.access, self.pod, f"cat {self.files}.*.progress", REQUEST_SECONDS)
        return sum(map(int, printed.split()))

    def wait_for(self, number: int, seconds: float) -> None:
        """Wait until so many requests are through, or so much time is over.

        Args:
            number: of requests.
            seconds: how long to wait at most.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.sent() < number:
            time.sleep(1)

    def result(self) -> SteadyResult:
        """Stop, and count; the same again when asked again.

        Raises:
            LoadError: the requests broke off, for example with their pod.
        """
        if self._result is None:
            seconds = time.monotonic() - self.started
            rounds = 2 * ANSWER_SECONDS * 10
            script = ENDING.format(files=self.files, workers=_numbers(self.workers), rounds=rounds, last=rounds + 50)
            printed = run_in(self.access, self.pod, script, 2 * ANSWER_SECONDS + 5)
            if printed.splitlines()[-1:] != ["ended"]:
                raise LoadError(
                    f"the load of {self.access.name} broke off: its pod {self.pod.metadata.name} does not hold the "
                    f"counts of its {self.workers} workers any more. It says: {printed[-300:]!r}"
                )
            self._result = counted(printed, seconds)
        return self._result


@contextmanager
def steady_requests(
    access: ClusterAccess,
    namespace: str,
    seconds: int,
    *,
    per_second: int = 80,
    workers: int = 1,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[SteadyLoad]:
    """Send requests at a steady rate from the client of one cluster while the block runs, each over a new connection.

    Args:
        access: cluster of the client, the pod ``app=sleep``.
        namespace: its namespace.
        seconds: when the load ends by itself: well above what the block takes.
        per_second: how many requests a second, where answers come fast enough.
        workers: how many requests are under way at once.
        url: what is asked; ``http://helloworld.<namespace>:5000/hello`` where None.
        headers: headers of every request.

    Yields:
        The load; ``load.result()`` stops it and says what came of it. Leaving the block stops it too.

    Raises:
        NoClientError: the cluster has no running client.
        LoadError: the requests broke off.
    """
    rate = max(1, per_second // workers)
    asked = url or URL.format(namespace=namespace)
    files = f"/tmp/load-{uuid.uuid4().hex[:12]}"  # noqa: S108 - of the pod
    script = SENDING.format(
        seconds=seconds,
        files=files,
        limit=ANSWER_SECONDS,
        rate=rate,
        headers=header_options({"Connection": "close", **(headers or {})}),
        written=shlex.quote(r"\t%{http_code}\t%{time_total}\t%{errormsg}" + "\x1e"),
        url=shlex.quote(f"{asked}{'&' if '?' in asked else '?'}n=[1-{rate}]"),
        counting=shlex.quote(COUNTING),
        listed=LISTED,
        workers=_numbers(workers),
    )
    pod = load_pod(access, namespace)
    run_in(access, pod, script, REQUEST_SECONDS)
    load = SteadyLoad(access, pod, files, workers)
    with ExitStack() as stopped:
        stopped.callback(load.result)
        yield load


def counted(printed: str, seconds: float) -> SteadyResult:
    """What the workers counted.

    Args:
        printed: the lines of all of them.
        seconds: how long they ran.
    """
    sent = failed = 0
    longest = 0.0
    listed: list[Failure] = []
    answers: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    for line in printed.splitlines():
        kind, _, rest = line.partition("\t")
        if kind == "sent":
            these, failures = map(int, rest.split("\t"))
            sent, failed = sent + these, failed + failures
        elif kind == "longest":
            longest = max(longest, float(rest))
        elif kind == "failed":
            at, text = rest.split("\t", 1)
            listed.append(Failure(int(at), " ".join(text.split())))
        elif kind == "answered" and (found := HELLO.search(rest)):
            number = int(rest.partition("\t")[0])
            answers[found["cluster"]] += number
            versions[found["version"]] += number
    return SteadyResult(
        sent, failed, tuple(sorted(listed, key=lambda each: each.at)), answers, versions, longest, seconds
    )


def _numbers(workers: int) -> str:
    return " ".join(map(str, range(1, workers + 1)))
