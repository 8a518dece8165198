"""What single proxies say of themselves at Envoy's admin port."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.endpoint import Endpoint


@dataclass(frozen=True)
class Rejected:
    """Configuration that Envoy refuses to take now.

    Attributes:
        type: ``CDS``, ``LDS``, ``EDS``, ``RDS``, or another xDS type.
        reason: Envoy's own words, with the resource; empty where they are not known.
    """

    type: str
    reason: str = ""


@dataclass(frozen=True)
class Upstream:
    """One address, as one proxy fares with it (Envoy's /clusters), over all Services.

    Attributes:
        address: ``host:port``.
        connections: how many connections were tried since the proxy has the address.
        failed: how many of them did not come about, by TCP or by TLS.
        lately: how many were tried between two looks a moment apart; 0 where nothing had failed before.
        lately_failed: how many of those did not come about.
        ejected: Services for which outlier detection has it ejected now.
    """

    address: str
    connections: int
    failed: int
    lately: int = 0
    lately_failed: int = 0
    ejected: int = 0


@dataclass(frozen=True)
class Door:
    """Port 15443 of an east-west gateway's pod, as Envoy counts there since it started.

    Attributes:
        held: connections that it holds now.
        over: connections that it closed at once because there were too many.
        strangers: connections that it closed because they were no TLS, or of a server name or protocol that it does
            not pass on.
        lately_over: how many were too many between two looks a moment apart; 0 where none ever was.
    """

    held: int
    over: int
    strangers: int
    lately_over: int = 0


@dataclass(frozen=True)
class Proxy:
    """One proxy, asked at its admin port.

    Attributes:
        proxy: ``pod.namespace``.
        type: ``sidecar`` or ``router``.
        rejected: configuration that it refuses now.
        upstreams: gateways of other networks, as it fares with them.
        endpoints: by Envoy's name of the cluster (``outbound|<port>|<subset>|<host>``), of the Services looked at.
        dns_capture: whether it answers the application's DNS queries.
        door: of an east-west gateway, who comes to its port; None: it is none, or does not count.
        problem: why it could not be asked; empty: it was.
    """

    proxy: str
    type: str
    rejected: tuple[Rejected, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    dns_capture: bool = False
    door: Door | None = None
    problem: str = ""
