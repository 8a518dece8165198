"""One request as three access logs have it: the client's proxy, the gateway and the server's proxy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from envoy.access_log import LogLine
from health.check import Cause
from health.checks.request import (
    CERTIFICATE,
    DENIED,
    FAULT,
    NO_ANSWER,
    NO_CONNECTION,
    NO_ENDPOINT,
    NO_ROUTE,
    NO_SNI,
    NO_SUBSET,
    NOBODY_LISTENS,
    TLS_MODE,
)
from health.walk.step import Step, broken, fine

# Clocks of nodes differ; a gateway writes its line when the connection ends.
APART = timedelta(seconds=5)
FORBIDDEN, ERROR = 403, 500


@dataclass(frozen=True)
class Answer:
    """What the client's command got.

    Attributes:
        status: HTTP status; 0: none.
        text: beginning of the body, or what the command said where there was no answer.
        command: program that sent it.
    """

    status: int
    text: str
    command: str


def by_request(lines: Sequence[LogLine], request_id: str) -> LogLine | None:
    """The line of a request; the last one, where the client's proxy tried it again."""
    return next((line for line in reversed(lines) if line.request_id == request_id), None)


def by_connection(lines: Sequence[LogLine], peer: str) -> LogLine | None:
    """The gateway's line of the connection that the server's proxy saw.

    Args:
        lines: of the gateway's access log.
        peer: address and port that the server's proxy was connected from: the gateway's own end.
    """
    return next((line for line in reversed(lines) if line.upstream_local_address == peer), None) if peer else None


def by_name(lines: Sequence[LogLine], sni: str, began: datetime, ended: datetime) -> LogLine | None:
    """The gateway's line of a server name within the time of a request; of several, the nearest to its beginning.

    Args:
        lines: of the gateway's access log.
        sni: server name that the client asked for.
        began: when the client's proxy took the request.
        ended: when it had its answer.
    """
    near = [line for line in lines if line.requested_server_name == sni and began - APART <= line.time <= ended + APART]
    return min(near, key=lambda line: abs((line.time - began).total_seconds()), default=None)


def sent(answer: Answer, line: LogLine, where: str, gateways: Sequence[str]) -> Step:
    """What the client's proxy did with the request.

    Args:
        answer: what the client got.
        line: the proxy's line.
        where: the client's cluster.
        gateways: addresses of east-west gateways.
    """
    to = line.upstream_host
    what = "gateway" if to.rpartition(":")[0] in gateways else "pod"
    way = f"to {what} {to} from {line.upstream_local_address or 'no connection'}" if to else "to nobody"
    status, cluster = line.response_code or answer.status, line.upstream_cluster or "no cluster"
    said = f"{status} after {line.duration} ms, {way}, {cluster}"
    details = _details(line)
    cause = _cause(line, what)
    if cause is None:
        return fine("client's log", where, said, *details)
    return broken("client's log", where, cause, said, *details)


def passed(line: LogLine, where: str, joined: str) -> Step:
    """What the gateway did with the connection.

    Args:
        line: the gateway's line.
        where: its cluster.
        joined: by what the line was found.
    """
    came = f"from {line.downstream_remote_address}, SNI {line.requested_server_name or 'none'}"
    if "filter_chain_not_found" in line.response_code_details or "NR" in line.response_flags.split(","):
        return broken("gateway's log", where, NO_SNI, f"{came}: {line.response_code_details}, {line.response_flags}")
    to = f"to {line.upstream_host} from {line.upstream_local_address}" if line.upstream_host else "to nobody"
    said = f"{came}, {to}; found by {joined}"
    flags = set(line.response_flags.split(","))
    if "UH" in flags:
        return broken("gateway's log", where, NO_ENDPOINT, said, *_details(line))
    if "UF" in flags:
        return broken("gateway's log", where, NO_CONNECTION, said, *_details(line))
    return fine("gateway's log", where, said, *_details(line))


def answered(line: LogLine, where: str, pod: str) -> Step:
    """What the server's proxy did with the request.

    Args:
        line: its line.
        where: its cluster.
        pod: the server.
    """
    said = f"pod {pod}: {line.response_code} after {line.duration} ms, from {line.downstream_remote_address}"
    if "rbac_access_denied" in line.response_code_details:
        return broken("server's log", where, DENIED, f"{said}: {line.response_code_details}")
    if "UF" in line.response_flags.split(",") or "UC" in line.response_flags.split(","):
        return broken("server's log", where, NOBODY_LISTENS, said, *_details(line))
    if line.response_code >= ERROR and line.response_code_details == "via_upstream":
        said += "; this status is the application's own: the way is whole"
    return fine("server's log", where, said, *_details(line))


def _details(line: LogLine) -> tuple[str, ...]:
    why = line.upstream_transport_failure_reason
    details = "" if line.response_code_details == "via_upstream" else line.response_code_details
    told = [line.response_flags and f"flags {line.response_flags}", details]
    told += [why]
    return tuple(dict.fromkeys(part for part in told if part))


def _cause(line: LogLine, to: str) -> Cause | None:
    flags, why = set(line.response_flags.split(",")), line.upstream_transport_failure_reason
    for flag, cause in (("NR", NO_ROUTE), ("NC", NO_SUBSET), ("UH", NO_ENDPOINT), ("FI", FAULT)):
        if flag in flags:
            return cause
    if "rbac_access_denied" in line.response_code_details:
        return DENIED
    if line.response_code_details == "via_upstream":
        # The next hop answered, be it after some tries (URX): what is wrong is further on.
        return None
    if flags & {"UF", "UC", "UR", "URX", "LR"}:
        return _connection(why, to)
    return NO_ANSWER if line.response_code >= ERROR else None


def _connection(why: str, to: str) -> Cause:
    if "CERTIFICATE_VERIFY_FAILED" in why or "SAN" in why:
        return CERTIFICATE
    if "WRONG_VERSION_NUMBER" in why:
        return TLS_MODE
    if "TLS_error" in why or "reset" in why.lower():
        return NO_SNI if to == "gateway" and "TLS_error" in why else TLS_MODE if to == "pod" else NO_CONNECTION
    return NO_CONNECTION
