"""Istio's access log: its default text format, and its default JSON."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

# EnvoyTextLogFormat and EnvoyJSONLogFormatIstio of istio.io/istio pilot/pkg/model/telemetry_logging.go;
# https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format
TEXT = re.compile(
    r'^\[(?P<start_time>[^\]]+)\] "(?P<method>\S+) (?P<path>.*?) (?P<protocol>\S+)" (?P<response_code>\S+)'
    r" (?P<response_flags>\S+) (?P<response_code_details>\S+) (?P<connection_termination_details>.*?)"
    r' "(?P<upstream_transport_failure_reason>.*?)" (?P<bytes_received>\S+) (?P<bytes_sent>\S+) (?P<duration>\S+)'
    r' (?P<upstream_service_time>\S+) "(?P<x_forwarded_for>.*?)" "(?P<user_agent>.*?)" "(?P<request_id>.*?)"'
    r' "(?P<authority>.*?)" "(?P<upstream_host>.*?)" (?P<upstream_cluster>\S+) (?P<upstream_local_address>\S+)'
    r" (?P<downstream_local_address>\S+) (?P<downstream_remote_address>\S+) (?P<requested_server_name>\S+)"
    r" (?P<route_name>.*)$"
)


@dataclass(frozen=True)
class LogLine:
    """One line of an access log; ``-`` and null are empty.

    Attributes:
        time: when the request or connection began.
        method: HTTP method; empty of a connection.
        path: its path.
        response_code: HTTP status; 0: none.
        response_flags: Envoy's flags, for example ``UF,URX``.
        response_code_details: Envoy's reason, for example ``rbac_access_denied_matched_policy[none]``.
        upstream_transport_failure_reason: why a TLS connection failed.
        duration: milliseconds.
        request_id: ``x-request-id``.
        authority: host that was asked.
        upstream_host: address and port that it was sent to.
        upstream_cluster: Envoy's cluster.
        upstream_local_address: own address and port of the connection to it.
        downstream_local_address: address and port that was asked.
        downstream_remote_address: address and port of who asked.
        requested_server_name: SNI.
        route_name: name of the route.
    """

    time: datetime
    method: str = ""
    path: str = ""
    response_code: int = 0
    response_flags: str = ""
    response_code_details: str = ""
    upstream_transport_failure_reason: str = ""
    duration: int = 0
    request_id: str = ""
    authority: str = ""
    upstream_host: str = ""
    upstream_cluster: str = ""
    upstream_local_address: str = ""
    downstream_local_address: str = ""
    downstream_remote_address: str = ""
    requested_server_name: str = ""
    route_name: str = ""


NUMBERS = {"response_code", "duration"}
NAMES = tuple(each.name for each in fields(LogLine) if each.name != "time")


def read_log(text: str) -> Iterator[LogLine]:
    """The lines of an access log; what a proxy writes besides is left out.

    Args:
        text: log of a proxy's container.
    """
    for line in text.splitlines():
        if (found := read_line(line)) is not None:
            yield found


def read_line(line: str) -> LogLine | None:
    """One line; None where it is none of an access log in one of Istio's two formats."""
    if line.startswith("{"):
        try:
            values = json.loads(line)
        except ValueError:
            return None
        return _line(values) if isinstance(values, dict) and "start_time" in values else None
    match = TEXT.match(line)
    return _line(match.groupdict()) if match else None


def _line(values: dict[str, Any]) -> LogLine | None:
    try:
        time = datetime.fromisoformat(str(values["start_time"]))
    except ValueError:
        return None
    return LogLine(time, **{name: _value(name, values.get(name)) for name in NAMES})


def _value(name: str, value: Any) -> Any:
    text = "" if value in (None, "-") else str(value)
    if name in NUMBERS:
        return int(text) if text.isdigit() else 0
    return text
