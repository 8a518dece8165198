"""Which drills a mesh can have, and between which of its clusters."""

from collections.abc import Callable, Iterator

from health.drill import Drill
from health.observed import Observed, Unknown
from live.pods.port import PodPortError
from live.probe.drills.failover import NAME as FAILOVER
from live.probe.drills.failover import failover
from live.probe.drills.gateway_kill import NAME as GATEWAY_KILL
from live.probe.drills.gateway_kill import gateway_kill
from live.probe.drills.token_rotation import NAME as TOKEN_ROTATION
from live.probe.drills.token_rotation import token_rotation
from live.probe.run import Probe
from live.reachability import UnreachableError, explained
from topology.checks.istio import LOSES_ENDPOINTS, version
from topology.facts import Link, links

DRILLS: dict[str, Callable[[Probe, str, str], Drill]] = {
    FAILOVER: failover,
    GATEWAY_KILL: gateway_kill,
    TOKEN_ROTATION: token_rotation,
}


def drills(probe: Probe, observed: Observed, names: frozenset[str], progress: Callable[[str], None]) -> Iterator[Drill]:
    """Have the named drills, one after the other, each between the first clusters that can have it.

    Args:
        probe: the probe.
        observed: what was seen of the clusters, for their versions.
        names: those of :data:`DRILLS` that are wanted.
        progress: told what happens.

    Yields:
        What each came to. One that cannot be had, or broke off, says why.
    """
    for name, drill in DRILLS.items():
        if name not in names:
            continue
        link = _between(probe, crossing=name == GATEWAY_KILL)
        if link is None:
            yield Drill(name, "", "", reason="no two linked clusters that the probe runs in can have it")
            continue
        reader, peer = link.reader.name, link.peer.name
        if name == TOKEN_ROTATION and (faulty := _loses_endpoints(observed, reader)):
            yield Drill(name, "", reader, peer, reason=faulty)
            continue
        progress(f"drill {name}: {reader} asks, {peer} takes part")
        try:
            with explained(probe.accesses[reader], f"the drill {name}"):
                yield drill(probe, reader, peer)
        except (UnreachableError, PodPortError) as error:
            yield Drill(name, "", reader, peer, reason=f"it broke off: {error}", undone=False)


def _between(probe: Probe, *, crossing: bool) -> Link | None:
    possible = (link for link in links(probe.mesh) if {link.reader.name, link.peer.name} <= probe.sites.keys())
    return next((link for link in possible if link.crosses_networks or not crossing), None)


def _loses_endpoints(observed: Observed, cluster: str) -> str:
    """Why the remote Secret of a cluster must not be rewritten; empty where it may be."""
    istiods = observed.clusters[cluster].istiods
    if isinstance(istiods, Unknown):
        return f"the version of istiod of {cluster} is not known: {istiods.reason}"
    for istiod in istiods:
        number = version(istiod.version)
        if number is not None and LOSES_ENDPOINTS[0] <= number <= LOSES_ENDPOINTS[1]:
            return (
                f"istiod {istiod.version} of {cluster} loses the endpoints of a cluster whose Secret is rewritten "
                "(istio#61043): nothing was touched"
            )
    return ""
