"""The clusters that one reads: held in its remote Secret, and read by each of its istiods."""

from dataclasses import dataclass

from health.check import State
from health.observed import Istiod, ObservedCluster, RemoteKubeconfig, Unknown
from health.standing.part import Part
from topology import Mesh, links
from topology.defaults import NAMESPACE, REMOTE_SECRET

SYNCED = "synced"


@dataclass(frozen=True)
class Peer:
    """How one cluster that should be read is read.

    Attributes:
        name: Istio's name of it.
        configured: None: it cannot be told.
        connected: likewise.
        statuses: by istiod pod, its word for it.
        reasons: what is missing.
    """

    name: str
    configured: bool | None
    connected: bool | None
    statuses: dict[str, str]
    reasons: tuple[str, ...]


def remotes(mesh: Mesh, cluster: ObservedCluster) -> Part:
    """How many of the clusters that it should read are configured and connected.

    Args:
        mesh: the declared mesh.
        cluster: what was seen of it.
    """
    held = _held(cluster)
    peers = read_peers(mesh, cluster)
    extra = sorted((held or {}).keys() - {peer.name for peer in peers})
    failures = [reason for peer in peers for reason in peer.reasons]
    failures += [f"its remote Secret holds {name}, which it should not read: `pulumi up`" for name in extra]
    untold = [each.reason for each in (cluster.istiods,) if isinstance(each, Unknown)]
    if peers and held is None and any(peer.configured is None for peer in peers):
        untold += [each.reason for each in (cluster.remote,) if isinstance(each, Unknown)]
    if not untold and any(peer.connected is None for peer in peers):
        untold.append("its istiods do not say which clusters they read")
    configured, connected = (
        "?" if any(told is None for told in tolds) else sum(map(bool, tolds))
        for tolds in ([p.configured for p in peers], [p.connected for p in peers])
    )
    return Part(
        "remotes",
        State.FAILED if failures else State.SKIPPED if untold and peers else State.OK,
        f"{configured}/{len(peers)} configured, {connected}/{len(peers)} connected" if peers else "reads none",
        (*failures, *(untold if peers else ())),
        {
            "declared": len(peers),
            "peers": [
                {"cluster": p.name, "configured": p.configured, "connected": p.connected, "istiods": p.statuses}
                for p in peers
            ],
            "extra": extra,
        },
    )


def read_peers(mesh: Mesh, cluster: ObservedCluster) -> list[Peer]:
    """The clusters that one should read, in the mesh's order.

    Args:
        mesh: the declared mesh.
        cluster: what was seen of the one that reads.
    """
    held = _held(cluster)
    return [_peer(link.peer.name, held, cluster) for link in links(mesh) if link.reader.name == cluster.name]


def _held(cluster: ObservedCluster) -> dict[str, RemoteKubeconfig] | None:
    """By cluster, what the remote Secret holds; None: it may not be read."""
    return None if isinstance(cluster.remote, Unknown) else {each.cluster: each for each in cluster.remote}


def _peer(name: str, held: dict[str, RemoteKubeconfig] | None, cluster: ObservedCluster) -> Peer:
    statuses = _statuses(name, cluster)
    reasons: list[str] = []
    configured: bool | None
    if held is None:
        # The Secret is not to be seen, but an istiod that knows the cluster has read it.
        configured = True if any(statuses.values()) else None
    elif name not in held:
        configured = False
        reasons.append(f"its remote Secret has no key {name}: `pulumi up`")
    else:
        configured = not held[name].problem
        reasons += [f"its kubeconfig for {name} cannot be used: {held[name].problem}"] if not configured else []
    if not statuses:
        return Peer(name, configured, None, statuses, tuple(reasons))
    if configured is not False:
        behind = {pod: status or "not known" for pod, status in statuses.items() if status != SYNCED}
        reasons += [f"{pod} has not synced with {name}: {status}" for pod, status in behind.items()]
    connected = set(statuses.values()) == {SYNCED}
    return Peer(name, configured, connected, statuses, tuple(reasons))


def _statuses(name: str, cluster: ObservedCluster) -> dict[str, str]:
    """By istiod pod, how far it is with a cluster; empty text: it does not list it."""
    if isinstance(cluster.istiods, Unknown):
        return {}
    return {each.pod: _status(each, name) for each in cluster.istiods if not each.reason}


def _status(istiod: Istiod, name: str) -> str:
    ours = f"{NAMESPACE}/{REMOTE_SECRET}"
    return next((each.status for each in istiod.remotes if each.name == name and each.secret == ours), "")
