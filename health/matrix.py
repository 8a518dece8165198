"""What real requests between clusters got, and over which way: the traffic matrix."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """Answers that the client of one cluster got from the servers of one cluster.

    Attributes:
        milliseconds: how long each answer took, as the client measured it.
        hops: by address and port that the client's proxy connected to, how many requests.
        gateways: those of the hops that are east-west gateways.
        client: SPIFFE id of the client as the server's proxy proved it; empty: the server saw none.
        server: SPIFFE id of the server as the client's proxy proved it; empty: not known.
        pods: by server pod, how many answers.
    """

    milliseconds: tuple[float, ...] = ()
    hops: Mapping[str, int] = field(default_factory=dict)
    gateways: frozenset[str] = frozenset()
    client: str = ""
    server: str = ""
    pods: Mapping[str, int] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """How many answers."""
        return len(self.milliseconds)

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came: 0.5 and 0.99 are p50 and p99."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class Row:
    """What the client of one cluster got.

    Attributes:
        client: Istio's name of its cluster.
        sent: how many requests.
        cells: by Istio's name of the answering cluster.
        failures: by what was said, how many requests got no answer of a server.
        reason: why no request could be sent at all; empty: they were.
    """

    client: str
    sent: int = 0
    cells: Mapping[str, Cell] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    reason: str = ""


Matrix = Mapping[str, Row]
