"""A request that was sent, found again in the access logs of the proxies on its way."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from envoy.access_log import LogLine
from envoy.cluster import subset_of
from health.check import State
from health.checks.request import DENIED, NO_CONNECTION, NO_NAME
from health.walk import followed
from health.walk.asked import Asked
from health.walk.facts import Pod, Proxy, Unread
from health.walk.followed import Answer
from health.walk.step import Step, broken, fine, untold
from live.walk.cluster_reader import ClusterReader
from live.walk.sending import send

T = TypeVar("T")
# Envoy writes its file once a second (--file-flush-interval-msec of pilot-agent), kubelet a moment later.
WRITTEN_SECONDS = 5.0
# Where the server's proxy names the gateway already, its line is only waited for as long as it needs.
KNOWN_SECONDS = 1.5
PAUSE_SECONDS = 0.3
LOG_SECONDS = 60
OFF = "access log is off there (meshConfig.accessLogFile, or a Telemetry), or of another format than Istio's default"


@dataclass
class Trail:
    """Where a request can come by.

    Attributes:
        gateways: by Istio's name of the cluster, the pods of its east-west gateway.
        addresses: by address that clients are told, the cluster whose gateway it is of.
        servers: by Istio's name of the cluster, and IP address, the pods that can answer.
    """

    gateways: dict[str, list[Pod]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    servers: dict[str, dict[str, Pod]] = field(default_factory=dict)


def follow(
    readers: Mapping[str, ClusterReader], pod: Pod, proxy: Proxy | None, asked: Asked, request_id: str, trail: Trail
) -> Step:
    """Send the request, and say what each access log has of it.

    Args:
        readers: the clusters, by Istio's name.
        pod: the client.
        proxy: its proxy; None: it could not be asked.
        asked: the request.
        request_id: its ``x-request-id``.
        trail: where it can come by.
    """
    reader = readers[pod.cluster]
    answer = send(reader.access, pod, asked, request_id)
    if isinstance(answer, Unread):
        return untold("request", pod.cluster, answer.reason)
    step = _answer(answer, pod.cluster)
    return step.then(*_logs(readers, pod, answer, request_id, trail))


def _answer(answer: Answer, where: str) -> Step:
    said = f"{answer.status or 'no answer'} by {answer.command}: {answer.text or 'no content'}"
    if not answer.status and ("resolve" in answer.text or "bad address" in answer.text):
        return broken("request", where, NO_NAME, said)
    if not answer.status:
        return broken("request", where, NO_CONNECTION, said)
    if answer.status == followed.FORBIDDEN and "RBAC: access denied" in answer.text:
        return broken("request", where, DENIED, said)
    if answer.status >= followed.ERROR:
        return Step("request", where, State.WARNING, said)
    return fine("request", where, said)


def _logs(readers: Mapping[str, ClusterReader], pod: Pod, answer: Answer, request_id: str, trail: Trail) -> list[Step]:
    line = _found(lambda: _of_request(readers[pod.cluster], pod, request_id))
    if line is None:
        why = _why(readers[pod.cluster], [pod], f"line of {request_id}")
        return [_unlogged("client's log", pod.cluster, why, answer)]
    sent = followed.sent(answer, line, pod.cluster, list(trail.addresses))
    address = line.upstream_host.rpartition(":")[0].strip("[]")
    serving = trail.addresses.get(address)
    if serving is None:
        server = next((pods[address] for pods in trail.servers.values() if address in pods), None)
        return [sent, *_server(readers, server, request_id, answer)]
    return [sent, *_through(readers, serving, line, request_id, answer, trail)]


def _through(
    readers: Mapping[str, ClusterReader],
    serving: str,
    line: LogLine,
    request_id: str,
    answer: Answer,
    trail: Trail,
) -> list[Step]:
    """The gateway's line and the server's: joined by the connection between the two."""
    reader, pods = readers[serving], list(trail.servers.get(serving, {}).values())
    reached = bool(line.response_code_details == "via_upstream" and pods)
    found = _found(lambda: _any(reader, pods, request_id)) if reached else None
    server, theirs = found if found else (None, None)
    peer = theirs.downstream_remote_address if theirs else ""
    subset = subset_of(line.upstream_cluster)
    sni, ended = subset.sni if subset else "", line.time + timedelta(milliseconds=line.duration)

    def seen() -> tuple[LogLine, str] | None:
        for gateway in trail.gateways.get(serving, []):
            lines = reader.log(gateway, LOG_SECONDS)
            if isinstance(lines, Unread):
                continue
            if (joined := followed.by_connection(lines, peer)) is not None:
                return joined, f"the connection {peer} that the server's proxy saw"
            if not peer and (near := followed.by_name(lines, sni, line.time, ended)) is not None:
                return near, "SNI and time"
        return None

    passing = _found(seen, KNOWN_SECONDS if peer else WRITTEN_SECONDS)
    if passing is not None:
        through = followed.passed(passing[0], serving, passing[1])
    else:
        through = _kept_open(reader, trail.gateways.get(serving, []), peer, sni, answer)
    after = [followed.answered(theirs, serving, str(server))] if theirs else []
    if reached and theirs is None:
        after = [_unlogged("server's log", serving, _why(reader, pods, f"line of {request_id}"), answer)]
    return [through, *after]


def _kept_open(reader: ClusterReader, gateways: list[Pod], peer: str, sni: str, answer: Answer) -> Step:
    """No line of the gateway: it writes one when the connection ends, and proxies keep theirs for later requests."""
    address = peer.rpartition(":")[0].strip("[]")
    for gateway in gateways:
        if gateway.address == address:
            said = f"the server's proxy was reached from {peer}, which is gateway pod {gateway}"
            return fine("gateway's log", reader.name, said, "no line yet: it writes one when the connection ends")
    return _unlogged("gateway's log", reader.name, _why(reader, gateways, f"line of SNI {sni}"), answer)


def _server(readers: Mapping[str, ClusterReader], server: Pod | None, request_id: str, answer: Answer) -> list[Step]:
    if server is None:
        return []
    reader = readers[server.cluster]
    line = _found(lambda: _of_request(reader, server, request_id)) if answer.status else None
    if line is not None:
        return [followed.answered(line, server.cluster, str(server))]
    why = _why(reader, [server], f"line of {request_id}")
    return [_unlogged("server's log", server.cluster, why, answer)]


def _why(reader: ClusterReader, pods: list[Pod], what: str) -> str:
    """Why no log of some pods has it."""
    if not pods:
        return f"no pod of {reader.name} that could have it can be asked"
    for pod in pods:
        if isinstance(lines := reader.log(pod, LOG_SECONDS), Unread):
            return lines.reason
    return f"the log of {', '.join(map(str, pods))} has no {what}: {OFF}"


def _unlogged(name: str, where: str, why: str, answer: Answer) -> Step:
    """A log that does not have the request: where a good answer came, the way is known to be whole all the same."""
    good = 0 < answer.status < followed.ERROR and answer.status != followed.FORBIDDEN
    return Step(name, where, State.WARNING, why) if good else untold(name, where, why)


def _of_request(reader: ClusterReader, pod: Pod, request_id: str) -> LogLine | None:
    lines = reader.log(pod, LOG_SECONDS)
    return None if isinstance(lines, Unread) else followed.by_request(lines, request_id)


def _any(reader: ClusterReader, pods: list[Pod], request_id: str) -> tuple[Pod, LogLine] | None:
    for pod in pods:
        if (line := _of_request(reader, pod, request_id)) is not None:
            return pod, line
    return None


def _found(look: Callable[[], T | None], seconds: float = WRITTEN_SECONDS) -> T | None:
    """What is found within the time in which a log is written."""
    deadline = time.monotonic() + seconds
    while True:
        if (seen := look()) is not None or time.monotonic() > deadline:
            return seen
        time.sleep(PAUSE_SECONDS)
