"""The hosts that the proxy of the probe's client has for the probe's Service, with its counts for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from live.pods.port import ENVOY_ADMIN, pod_http
from live.probe.bootstrap import SERVER_PORT
from live.probe.objects import HOST, NAMESPACE, PROBE
from live.probe.site import Site


@dataclass(frozen=True)
class Host:
    """One host, and the proxy's counts since it has it.

    Attributes:
        address: IP address of a pod or of a gateway.
        port: its port.
        priority: 0 is asked first.
        requests: requests that were sent there.
        connections: connections that were opened to it.
        refused: of these, those that did not come about.
    """

    address: str
    port: int
    priority: int
    requests: int
    connections: int
    refused: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def hosts(site: Site) -> dict[str, Host]:
    """By address and port, the hosts that the client's proxy has for the probe's Service.

    Raises:
        PodPortError: the proxy does not answer.
    """
    with pod_http(site.access, PROBE, NAMESPACE, ENVOY_ADMIN) as proxy:
        return read_hosts(proxy.json("/clusters?format=json"))


def read_hosts(document: Mapping[str, Any]) -> dict[str, Host]:
    """The same, from what ``/clusters?format=json`` answers."""
    wanted = f"outbound|{SERVER_PORT}||{HOST}."
    found = [
        _host(status)
        for cluster in document.get("cluster_statuses") or ()
        if str(cluster.get("name")).startswith(wanted)
        for status in cluster.get("host_statuses") or ()
    ]
    return {str(host): host for host in found}


def _host(status: Mapping[str, Any]) -> Host:
    socket = (status.get("address") or {}).get("socket_address") or {}
    counts = {str(stat["name"]): int(stat.get("value") or 0) for stat in status.get("stats") or ()}
    return Host(
        str(socket.get("address") or ""),
        int(socket.get("port_value") or 0),
        int(status.get("priority") or 0),
        counts.get("rq_total", 0),
        counts.get("cx_total", 0),
        counts.get("cx_connect_fail", 0),
    )
