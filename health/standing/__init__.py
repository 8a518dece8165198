"""Whether each cluster of a mesh is as it is declared, in the few things that `spanmesh status` shows; pure."""

from health.standing.lifetimes import Expiry, expiries
from health.standing.part import ClusterStanding, InStep, Part, PartName, exit_code
from health.standing.reading import Peer, read_peers
from health.standing.whole import standing

__all__ = [
    "ClusterStanding",
    "Expiry",
    "InStep",
    "Part",
    "PartName",
    "Peer",
    "exit_code",
    "expiries",
    "read_peers",
    "standing",
]
