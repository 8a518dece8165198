"""Whether every proxy and every istiod is ready for another root to sign, or for one to be trusted no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from health.observed import ProxyTrust, Unknown


@dataclass(frozen=True)
class IstiodSigning:
    """Under which root one istiod pod signs: the last certificate of the chain that it shows at port 15012.

    Attributes:
        pod: its name.
        root: fingerprint of the root, SHA-256, lower-case hex.
    """

    pod: str
    root: str


@dataclass(frozen=True)
class HeldTrust:
    """What one cluster holds: every istiod, and every running proxy, sidecars and gateways, none left out.

    Attributes:
        istiods: by pod; Unknown: one does not say.
        proxies: those that answered.
        silent: by ``pod.namespace``, why a running proxy did not answer.
    """

    istiods: tuple[IstiodSigning, ...] | Unknown
    proxies: tuple[ProxyTrust, ...]
    silent: Mapping[str, str]


@dataclass(frozen=True)
class TrustTarget:
    """What is about to be declared.

    Attributes:
        signs: fingerprint of the root under which every intermediate is to stand; None: it has not been made yet.
        trusted: fingerprints of the roots that are to be trusted; None stands for one that has not been made yet.
    """

    signs: str | None
    trusted: frozenset[str | None]


@dataclass(frozen=True)
class Obstacle:
    """One thing for which the change has to wait.

    Attributes:
        cluster: Istio's cluster name.
        who: ``pod.namespace`` of the proxy, or ``istiod POD``; empty: the whole cluster.
        why: what it lacks.
    """

    cluster: str
    who: str
    why: str


def obstacles(target: TrustTarget, held: Mapping[str, HeldTrust | Unknown]) -> Sequence[Obstacle]:
    """What stands against a change of trust; empty: it can be made, and no connection between proxies will fail.

    Every running proxy has to trust the root that is to sign; and every proxy's own certificate, and every istiod, has
    to stand under a root that stays trusted. Clusters do not change at once, so both have to hold everywhere before.

    Args:
        target: what is to be declared.
        held: by Istio's cluster name, what each cluster of the mesh holds; Unknown: it cannot be asked.
    """
    found: list[Obstacle] = []
    for cluster, each in held.items():
        if isinstance(each, Unknown):
            found.append(Obstacle(cluster, "", each.reason))
            continue
        found += [Obstacle(cluster, proxy, f"does not answer: {why}") for proxy, why in each.silent.items()]
        if isinstance(each.istiods, Unknown):
            found.append(Obstacle(cluster, "", each.istiods.reason))
        else:
            found += [
                Obstacle(cluster, f"istiod {istiod.pod}", "signs under a root that would no longer be trusted")
                for istiod in each.istiods
                if istiod.root not in target.trusted
            ]
        for proxy in each.proxies:
            if target.signs not in {root.fingerprint for root in proxy.roots}:
                found.append(Obstacle(cluster, proxy.proxy, "does not trust the root that is to sign"))
            if not proxy.chain or proxy.chain[-1].fingerprint not in target.trusted:
                found.append(Obstacle(cluster, proxy.proxy, "shows a certificate of a root that would go"))
    return found
