"""What was seen of each cluster, as the report's blocks tell it."""

from collections.abc import Sequence
from dataclasses import dataclass

from health.check import Result, State
from health.observed import EastWestGateway, Istiod, IstiodSettings, Observed, ObservedCluster, Unknown
from report.remotes import Remotes, remotes_of
from report.verdicts import Places
from topology.defaults import istio_of
from topology.model import Cluster

IN_STEP = ("SYNCED", "NOT SENT", "IGNORED")


@dataclass(frozen=True)
class Block:
    """One cluster.

    Attributes:
        declared: as the mesh declares it.
        version: Istio version that is declared.
        state: what the checks say; None: nothing.
        codes: of what was found.
        seen: what was seen; None: it was not asked.
        remotes: the clusters that it reads.
        kubernetes: version of its API server, or why it is not known.
        running: Istio versions that its istiods run.
        istiods: its istiod pods, or why they are not known.
        gateway: its east-west gateway; None: there is none; or why it is not known.
        proxies: how many proxies its istiods serve.
        behind: those of them that do not have the latest configuration.
        clock: how far its clock is from this machine's, or why it is not known.
    """

    declared: Cluster
    version: str
    state: State | None
    codes: tuple[str, ...]
    seen: ObservedCluster | None
    remotes: Remotes
    kubernetes: str
    running: tuple[str, ...]
    istiods: tuple[Istiod, ...] | Unknown
    gateway: EastWestGateway | Unknown | None
    proxies: int
    behind: tuple[str, ...]
    clock: str

    @property
    def name(self) -> str:
        """Istio's cluster name."""
        return self.declared.name

    @property
    def settings(self) -> IstiodSettings | None:
        """What istiod was told, where that is known."""
        return self.seen.settings if self.seen and isinstance(self.seen.settings, IstiodSettings) else None

    @property
    def istiods_words(self) -> str:
        """``1/1 ready``."""
        if isinstance(self.istiods, Unknown):
            return "not known"
        return f"{sum(istiod.ready for istiod in self.istiods)}/{len(self.istiods)} ready"

    @property
    def gateway_words(self) -> str:
        """``1/1 ready, 198.51.100.64``."""
        if isinstance(self.gateway, Unknown):
            return "not known"
        if self.gateway is None:
            return "none"
        ready = f"{sum(pod.ready for pod in self.gateway.pods)}/{len(self.gateway.pods)} ready"
        return f"{ready}, {', '.join(self.gateway.addresses) or 'no address'}"

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why something is not known, each reason once."""
        facts = (self.seen.istiods, self.seen.gateway, self.seen.settings, self.seen.remote) if self.seen else ()
        return tuple(dict.fromkeys(fact.reason for fact in facts if isinstance(fact, Unknown)))


def blocks(observed: Observed, results: Sequence[Result]) -> tuple[Block, ...]:
    """Every cluster of the mesh, in its order."""
    places = Places(results)
    return tuple(_block(observed, places, cluster) for cluster in observed.mesh.clusters)


def _block(observed: Observed, places: Places, cluster: Cluster) -> Block:
    name = cluster.name
    seen = observed.clusters.get(name)
    istiods = seen.istiods if seen else Unknown("not asked")
    there = () if isinstance(istiods, Unknown) else istiods
    proxies = {proxy.proxy: proxy for istiod in there for proxy in istiod.proxies}
    return Block(
        declared=cluster,
        version=istio_of(observed.mesh, cluster).version or "",
        state=places.state(name),
        codes=places.codes(name),
        seen=seen,
        remotes=remotes_of(observed, name),
        kubernetes=_text(seen.kubernetes if seen else Unknown("not asked")),
        running=tuple(dict.fromkeys(istiod.version for istiod in there if istiod.version)),
        istiods=istiods,
        gateway=seen.gateway if seen else Unknown("not asked"),
        proxies=len(proxies),
        behind=tuple(name for name, each in proxies.items() if not set(each.states.values()) <= set(IN_STEP)),
        clock=_clock(seen.clock if seen else Unknown("not asked")),
    )


def _text(fact: str | Unknown) -> str:
    return fact.reason if isinstance(fact, Unknown) else fact


def _clock(fact: float | Unknown) -> str:
    if isinstance(fact, Unknown):
        return fact.reason
    if abs(fact) < 1:
        return "in step"
    return f"{abs(fact):.0f} s {'ahead' if fact > 0 else 'behind'}"
