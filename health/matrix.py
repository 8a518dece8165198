"""What real requests between clusters got, and over which way: the traffic matrix."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log

# The probe stands under this identity in every cluster.
PROBE_NAMESPACE, PROBE_ACCOUNT = "spanmesh-probe", "probe"


@dataclass(frozen=True)
class Cell:
    """What the client of one cluster got from the servers of one cluster, and what its proxy knows of them.

    Attributes:
        milliseconds: how long each answer took, as the client measured it.
        hops: by address and port that the client's proxy connects to for this cluster, how many requests it sent there.
        gateways: those of the hops that are east-west gateways.
        client: SPIFFE id of the client as the server's proxy proved it; empty: the server saw none.
        server: SPIFFE id of the server, as its proxy showed it to the client's; empty: not known.
        pods: by server pod, how many answers.
        priority: Envoy's priority of the hops: those above the lowest get requests only when the lower ones fail (the
            locality failover); None: the client's proxy has no endpoint of this cluster.
        connections: how many connections the client's proxy opened to the hops.
        refused: how many connections to the hops did not come about.
    """

    milliseconds: tuple[float, ...] = ()
    hops: Mapping[str, int] = field(default_factory=dict)
    gateways: frozenset[str] = frozenset()
    client: str = ""
    server: str = ""
    pods: Mapping[str, int] = field(default_factory=dict)
    priority: int | None = None
    connections: int = 0
    refused: int = 0

    @property
    def answers(self) -> int:
        """How many answers."""
        return len(self.milliseconds)

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came: 0.5 and 0.99 are p50 and p99."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class PlainText:
    """What a client without a sidecar got of the servers of its own cluster.

    Attributes:
        mode: mode of mutual TLS that PeerAuthentication sets for the servers: ``STRICT``, ``PERMISSIVE``, ``DISABLE``.
        answered: whether it got an answer.
        said: status, or what ended the connection.
    """

    mode: str
    answered: bool
    said: str


@dataclass(frozen=True)
class Row:
    """What the client of one cluster got.

    Attributes:
        client: Istio's name of its cluster.
        sent: how many requests.
        cells: by Istio's name of the cluster: those that answered, and those that the client's proxy has endpoints of.
        failures: by what was said, how many requests got no answer of a server.
        reason: why no request could be sent at all; empty: they were.
        plain_text: what a client without a sidecar got; None: it was not asked.
    """

    client: str
    sent: int = 0
    cells: Mapping[str, Cell] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    reason: str = ""
    plain_text: PlainText | None = None


Matrix = Mapping[str, Row]

# A row that is right misses a cluster once in a million runs.
MISSED = 1e-6


def needed(clusters: int) -> int:
    """How many requests show every one of so many clusters that share them alike.

    Half an equal share is counted on: with several requests under way at once a slower host gets fewer (Envoy's
    LEAST_REQUEST takes the better of two hosts picked at random).
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers

    Args:
        clusters: how many there are.
    """
    if clusters < 2:
        return 1
    return ceil(log(MISSED / clusters) / log(1 - 1 / (2 * clusters)))
