"""The endpoints of a cluster, as EDS gave them and as the proxy judges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from envoy.origin import istio_metadata

# https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/overprovisioning
OVERPROVISIONING = 1.4
SERVING = {"HEALTHY", "UNKNOWN", "DEGRADED", ""}


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    Attributes:
        address: IP address or name of a pod or of a gateway; path of a Unix socket.
        port: TCP port; 0 of a Unix socket.
        region: its locality's region; zone: its zone; both empty where unknown.
        priority: 0 is asked first.
        weight: its weight within its locality.
        locality_weight: weight of its locality.
        eds_health: what istiod says: ``HEALTHY``, ``UNHEALTHY``, ``DRAINING``, ...
        failing: what the proxy itself says against it: ``failed_outlier_check``, ``failed_active_health_check``, ...
        labels: ``envoy.transport_socket_match`` metadata; ``tlsMode: istio`` where it has a sidecar.
        workload: name of its workload; empty: unknown, as for gateways of other networks.
        namespace: of the workload.
        cluster: Istio's name of its cluster, as istiod notes it; empty: unknown.
    """

    address: str
    port: int
    region: str = ""
    zone: str = ""
    priority: int = 0
    weight: int = 1
    locality_weight: int = 0
    eds_health: str = "HEALTHY"
    failing: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    workload: str = ""
    namespace: str = ""
    cluster: str = ""

    @property
    def healthy(self) -> bool:
        """Whether the proxy sends to it."""
        return self.eds_health in SERVING and not self.failing

    @property
    def locality(self) -> str:
        """``region/zone``."""
        return "/".join(part for part in (self.region, self.zone) if part)

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.port else self.address


def read_endpoints(assignment: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """The endpoints of a ``ClusterLoadAssignment``, as JSON of a config_dump with ``include_eds``."""
    return tuple(
        _endpoint(group, each)
        for group in assignment.get("endpoints") or ()
        for each in group.get("lb_endpoints") or ()
        if "endpoint" in each
    )


def _endpoint(group: Mapping[str, Any], body: Mapping[str, Any]) -> Endpoint:
    address, port = _address(body["endpoint"].get("address") or {})
    locality = group.get("locality") or {}
    metadata = body.get("metadata") or {}
    labels = (metadata.get("filter_metadata") or {}).get("envoy.transport_socket_match") or {}
    # name;namespace;canonical name;canonical revision;cluster: istio.io/istio pilot/pkg/networking/util/util.go
    workload = [*str(istio_metadata(metadata).get("workload") or "").split(";"), *[""] * 5]
    return Endpoint(
        address=address,
        port=port,
        region=str(locality.get("region") or ""),
        zone=str(locality.get("zone") or ""),
        priority=int(group.get("priority") or 0),
        weight=int(body.get("load_balancing_weight") or 1),
        locality_weight=int(group.get("load_balancing_weight") or 0),
        eds_health=str(body.get("health_status") or ""),
        labels={str(key): str(value) for key, value in labels.items()},
        workload=workload[0],
        namespace=workload[1],
        cluster=workload[4],
    )


def _address(address: Mapping[str, Any]) -> tuple[str, int]:
    if "socket_address" in address:
        socket = address["socket_address"]
        return str(socket.get("address") or ""), int(socket.get("port_value") or 0)
    pipe = address.get("pipe") or address.get("envoy_internal_address") or {}
    return str(pipe.get("path") or pipe.get("server_listener_name") or ""), 0


def read_hosts(document: Mapping[str, Any]) -> dict[str, tuple[Endpoint, ...]]:
    """The hosts of every cluster, by its name, as ``/clusters?format=json`` has them: with the proxy's own judgement.

    Args:
        document: the answer.
    """
    return {
        str(status["name"]): tuple(_host(host) for host in status.get("host_statuses") or ())
        for status in document.get("cluster_statuses") or ()
    }


def _host(status: Mapping[str, Any]) -> Endpoint:
    address, port = _address(status.get("address") or {})
    health = status.get("health_status") or {}
    locality = status.get("locality") or {}
    return Endpoint(
        address=address,
        port=port,
        region=str(locality.get("region") or ""),
        zone=str(locality.get("zone") or ""),
        priority=int(status.get("priority") or 0),
        weight=int(status.get("weight") or 1),
        eds_health=str(health.get("eds_health_status") or ""),
        failing=tuple(sorted(name for name, value in health.items() if value is True)),
    )


def judged(given: Sequence[Endpoint], hosts: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints that EDS gave, with what the proxy itself says against them.

    Args:
        given: of the config_dump.
        hosts: of ``/clusters``, of the same cluster. Alone they stand where EDS gave none: static clusters, DNS.
    """
    if not given:
        return tuple(hosts)
    seen = {(host.address, host.port): host for host in hosts}
    return tuple(
        replace(each, failing=seen[each.address, each.port].failing) if (each.address, each.port) in seen else each
        for each in given
    )


def shares(endpoints: Sequence[Endpoint]) -> dict[int, float]:
    """By priority, the share of requests that goes there, 0 to 1; empty where no endpoint is healthy.

    A priority takes 1.4 times its healthy share, and what is left over spills to the next.
    """
    return dict(_shares(endpoints))


def _shares(endpoints: Sequence[Endpoint]) -> Iterator[tuple[int, float]]:
    healths = {}
    for priority in sorted({each.priority for each in endpoints}):
        there = [each for each in endpoints if each.priority == priority]
        healths[priority] = min(1.0, OVERPROVISIONING * sum(each.healthy for each in there) / len(there))
    total = min(1.0, sum(healths.values()))
    left = 1.0
    for priority, health in healths.items():
        share = min(left, health / total) if total else 0.0
        left -= share
        if share > 0:
            yield priority, share
