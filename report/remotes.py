"""Which clusters a cluster should read, is configured to read, and is connected to."""

from dataclasses import dataclass

from health.observed import Observed, Unknown
from health.standing import read_peers
from topology.facts import links


@dataclass(frozen=True)
class Remotes:
    """The clusters that one cluster reads.

    Attributes:
        expected: those that the mesh declares.
        configured: those of them that it has a usable kubeconfig of.
        connected: those of them that every istiod of it that answers is in step with.
        unknown: why neither can be told; empty where it can.
    """

    expected: tuple[str, ...]
    configured: tuple[str, ...]
    connected: tuple[str, ...]
    unknown: str = ""

    @property
    def words(self) -> str:
        """``2/2 configured, 2/2 connected``."""
        if not self.expected:
            return "reads no other cluster"
        if self.unknown:
            return f"{len(self.expected)} declared; not known: {self.unknown}"
        count = len(self.expected)
        return f"{len(self.configured)}/{count} configured, {len(self.connected)}/{count} connected"


def remotes_of(observed: Observed, name: str) -> Remotes:
    """The clusters that the cluster called ``name`` reads."""
    expected = tuple(link.peer.name for link in links(observed.mesh) if link.reader.name == name)
    seen = observed.clusters.get(name)
    if seen is None:
        return Remotes(expected, (), (), "not asked")
    if isinstance(seen.kubernetes, Unknown):
        return Remotes(expected, (), (), seen.kubernetes.reason)
    if isinstance(seen.remote, Unknown):
        return Remotes(expected, (), (), seen.remote.reason)
    if isinstance(seen.istiods, Unknown):
        return Remotes(expected, (), (), seen.istiods.reason)
    peers = read_peers(observed.mesh, seen)
    return Remotes(
        expected,
        tuple(peer.name for peer in peers if peer.configured),
        tuple(peer.name for peer in peers if peer.connected),
    )
