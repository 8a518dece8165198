"""Requests of the probe's client: what each got, as the client itself saw it."""

import http.client
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from live.pods.port import PodPortError, pod_socket
from live.probe import bootstrap
from live.probe.objects import NAMESPACE, OUTSIDE, PROBE
from live.probe.site import Site

# Connections between the operator and each client, and so requests that are under way at once.
AT_ONCE = 8
OK = 200
# https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
FORWARDED = re.compile(r'(?P<key>By|URI)=(?P<value>"[^"]*"|[^;,]*)')
# Envoy's ends with an address that differs from one request to the next.
VARYING = re.compile(r"(, remote address:.*|\s+$)", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What one request got.

    Attributes:
        at: when it was sent, by ``time.monotonic``.
        cluster: Istio's name of the cluster that answered; empty: none did.
        pod: the server's pod.
        milliseconds: from the client's request to its answer; of a failed one, as the operator saw it.
        client: SPIFFE id of the client, as the server's proxy proved it; empty: it saw none.
        server: SPIFFE id under which the server's proxy stood; empty: not known.
        failure: status and text of a failed one; empty: a server of the probe answered.
    """

    at: float
    cluster: str = ""
    pod: str = ""
    milliseconds: float = 0
    client: str = ""
    server: str = ""
    failure: str = ""


@dataclass
class Asker:
    """One connection from the operator to a client of the probe, which is opened anew where it broke.

    Attributes:
        site: the probe in the client's cluster.
        port: the port of the pod by which it takes requests.
        pod: the client's pod.
    """

    site: Site
    port: int = bootstrap.CLIENT_PORT
    pod: str = PROBE
    _open: ExitStack = field(default_factory=ExitStack, init=False)
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ask(self) -> Answer:
        """Send one request; the client passes it on over a connection of its own.

        Raises:
            PodPortError: the client itself cannot be reached.
        """
        at = time.monotonic()
        try:
            connection = self._connected()
            connection.request("GET", "/")
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            where = f"pod {NAMESPACE}/{self.pod} in cluster {self.site.cluster}"
            raise PodPortError(f"{where} does not answer: {error or type(error).__name__}") from error
        took = (time.monotonic() - at) * 1000
        headers = response.headers
        cluster = headers.get(bootstrap.CLUSTER, "")
        if response.status != OK or not cluster:
            return Answer(at, milliseconds=took, failure=f"{response.status} {VARYING.sub('', body)[:200]}")
        fine, coarse = headers.get(bootstrap.MICROSECONDS, ""), headers.get(bootstrap.MILLISECONDS, "")
        proved = identities(headers.get(bootstrap.PEER, ""))
        return Answer(
            at,
            cluster,
            headers.get(bootstrap.POD, ""),
            int(fine) / 1000 if fine.isdigit() else float(coarse) if coarse.isdigit() else took,
            proved.get("URI", ""),
            proved.get("By", ""),
        )

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            connection = http.client.HTTPConnection("localhost", self.port)
            connection.sock = self._open.enter_context(pod_socket(self.site.access, self.pod, NAMESPACE, self.port))
            # A connection that ended is not opened anew by the library, which would go to this machine.
            connection.auto_open = 0
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        self._connection = None
        self._open.close()


def identities(forwarded: str) -> dict[str, str]:
    """``URI``: the client as the server's proxy proved it, and ``By``: the server, of X-Forwarded-Client-Cert.

    Args:
        forwarded: the header; of several elements the last counts, which the nearest proxy added.
    """
    last = forwarded.rsplit(",By=", 1)
    element = f"By={last[1]}" if len(last) == 2 else forwarded
    return {found["key"]: found["value"].strip('"') for found in FORWARDED.finditer(element)}


def plain_text(site: Site) -> Asker:
    """The client without a sidecar, which asks the Service in plain text."""
    return Asker(site, bootstrap.PLAIN_TEXT_PORT, OUTSIDE)


def ask(site: Site, number: int) -> list[Answer]:
    """So many requests, some at once.

    Raises:
        PodPortError: the client cannot be reached.
    """
    workers = min(AT_ONCE, number)
    shares = [number // workers + (index < number % workers) for index in range(workers)]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return [
            answer
            for answers in pool.map(lambda share: _one_after_the_other(site, share), shares)
            for answer in answers
        ]


def _one_after_the_other(site: Site, number: int) -> list[Answer]:
    with Asker(site) as asker:
        return [asker.ask() for _ in range(number)]


def until(site: Site, over: Callable[[], bool], pause: float) -> Iterator[Answer]:
    """One request after the other; where the client itself cannot be reached, the answer says so as a failure.

    Args:
        site: the probe in the client's cluster.
        over: asked before each request.
        pause: seconds between two requests.
    """
    with Asker(site) as asker:
        while not over():
            at = time.monotonic()
            try:
                yield asker.ask()
            except PodPortError as error:
                yield Answer(at, milliseconds=(time.monotonic() - at) * 1000, failure=str(error))
            time.sleep(pause)
