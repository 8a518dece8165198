"""Whether every proxy and every istiod is ready for another root to sign, or for one to be trusted no more."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from health.checks.trust import root_of
from health.observed import Certificate, ProxyTrust, Unknown
from topology.trust_set import TrustSet

# Of many alike, so many are named.
NAMED = 3
RESTART = (
    ". Restart its workload: it was started without PROXY_CONFIG_XDS_AGENT, and takes no other roots while it runs"
)


@dataclass(frozen=True)
class IstiodSigning:
    """By what one istiod pod signs, as the chain says that it shows at port 15012.

    Attributes:
        pod: its name.
        root: fingerprint of the root, SHA-256, lower-case hex.
        intermediate: fingerprint of the CA that issued its own certificate, likewise: where it has no intermediate,
            the root.
    """

    pod: str
    root: str
    intermediate: str = ""


@dataclass(frozen=True)
class HeldTrust:
    """What one cluster holds: every istiod, and every running proxy, sidecars and gateways, none left out.

    Attributes:
        istiods: by pod; Unknown: one does not say.
        proxies: those that answered.
        silent: by ``pod.namespace``, why a running proxy did not answer.
        fixed: ``pod.namespace`` of those that were started without PROXY_CONFIG_XDS_AGENT: while they run, they keep
            the roots that they started with. Without those that are about to end.
    """

    istiods: tuple[IstiodSigning, ...] | Unknown
    proxies: tuple[ProxyTrust, ...]
    silent: Mapping[str, str]
    fixed: frozenset[str] = frozenset()


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


def signing_root(chain: Sequence[Certificate], known: Iterable[Certificate]) -> str:
    """Fingerprint of the root under which the first certificate of a chain stands; empty: none that is known.

    istiod appends its whole bundle to the chain of a workload (istio: security/pkg/server/ca), so that what stands last
    in it may be another root; and the root itself may be missing, as TLS allows.

    Args:
        chain: a certificate and those that came with it.
        known: roots that are trusted somewhere.
    """
    found = root_of(chain, [*(each for each in chain[1:] if each.subject == each.issuer), *known])
    return found.fingerprint if found else ""


def obstacles(target: TrustSet, held: Mapping[str, HeldTrust | Unknown]) -> Sequence[Obstacle]:
    """What stands against a change of trust; empty: it can be made, and no connection between proxies will fail.

    Every running proxy has to trust each root that is to sign; and every proxy's own certificate, and every istiod, has
    to stand under a root that stays trusted. Clusters do not change at once, so both have to hold everywhere before. A
    cluster without proxies stands against nothing.

    Args:
        target: what is to be declared.
        held: by Istio's cluster name, what each cluster of the mesh holds; Unknown: it cannot be asked.
    """
    known = known_roots(held.values())

    def of_istiod(_: str, istiod: IstiodSigning) -> str:
        return "" if istiod.root in target.trusted else "signs under a root that would no longer be trusted"

    def of_proxy(_: str, proxy: ProxyTrust, restart: str) -> Iterator[str]:
        if not target.signs <= {root.fingerprint for root in proxy.roots}:
            yield f"does not trust the root that is to sign{restart}"
        if not proxy.chain:
            yield "has no certificate"
        elif signing_root(proxy.chain, known) not in target.trusted:
            yield f"shows a certificate of a root that would go{restart}"

    # Without proxies there is nobody to break with: an istiod that has just been taken over, or that nobody uses yet.
    used = {name: each for name, each in held.items() if isinstance(each, Unknown) or each.proxies or each.silent}
    return list(_found(used, of_istiod, of_proxy))


@dataclass(frozen=True)
class SettledTrust:
    """What every istiod and every proxy of one cluster comes to hold after a change.

    Attributes:
        intermediate: fingerprint of the cluster's intermediate, by which every istiod signs.
        roots: fingerprints of the roots that are trusted.
        gone: fingerprints of those that are trusted no more.
        signs: fingerprints of the roots under one of which every proxy's certificate stands; empty: whichever. By which
            intermediate is left open: istiod has proxies renew their certificates only where the text of the roots
            changed, else they do so in their own time, and both are good until then.
    """

    intermediate: str
    roots: frozenset[str]
    gone: frozenset[str] = frozenset()
    signs: frozenset[str] = frozenset()


def unsettled(wanted: Mapping[str, SettledTrust], held: Mapping[str, HeldTrust | Unknown]) -> Sequence[Obstacle]:
    """Who does not yet hold what was declared; empty: everybody does.

    Args:
        wanted: by Istio's cluster name.
        held: by the same names, what each cluster holds; Unknown: it cannot be asked.
    """
    known = known_roots(held.values())

    def of_istiod(cluster: str, istiod: IstiodSigning) -> str:
        settled = istiod.intermediate == wanted[cluster].intermediate
        return "" if settled else "does not sign by the declared intermediate yet"

    def of_proxy(cluster: str, proxy: ProxyTrust, restart: str) -> Iterator[str]:
        want, trusted = wanted[cluster], {root.fingerprint for root in proxy.roots}
        if not want.roots <= trusted:
            yield f"does not trust every declared root yet{restart}"
        if want.gone & trusted:
            yield f"still trusts a root that has gone{restart}"
        if want.signs and signing_root(proxy.chain, known) not in want.signs:
            yield f"has no certificate under the declared root yet{restart}"

    return list(_found(held, of_istiod, of_proxy))


@dataclass(frozen=True)
class Stands:
    """Under which roots one cluster stands.

    Attributes:
        roots: by fingerprint, the root of each istiod and of each proxy's certificate; those that no proxy trusts are
            not among them.
        trusted: fingerprints of the roots that every proxy trusts.
        alone: whether an istiod signs by the root itself, without an intermediate.
    """

    roots: Mapping[str, Certificate]
    trusted: frozenset[str]
    alone: bool


def stands(held: Mapping[str, HeldTrust | Unknown]) -> Mapping[str, Stands]:
    """Under which roots the clusters stand now; one that cannot be asked, or that no proxy runs in, is not among them.

    Args:
        held: by Istio's cluster name, what each cluster holds.
    """
    known = {root.fingerprint: root for root in known_roots(held.values())}
    found: dict[str, Stands] = {}
    for cluster, each in held.items():
        if isinstance(each, Unknown) or not each.proxies:
            continue
        istiods = () if isinstance(each.istiods, Unknown) else each.istiods
        prints = {signing_root(proxy.chain, known.values()) for proxy in each.proxies} | {one.root for one in istiods}
        alone = any(one.root == one.intermediate for one in istiods)
        trusted = frozenset.intersection(*(frozenset(one.fingerprint for one in proxy.roots) for proxy in each.proxies))
        found[cluster] = Stands({one: known[one] for one in sorted(prints & known.keys())}, trusted, alone)
    return found


def told(found: Iterable[Obstacle]) -> list[str]:
    """Obstacles in sentences for people: those alike together, ``cluster1: a.sample, b.sample and 7 more do not …``."""
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in found:
        alike[each.cluster, each.why].append(each.who)
    return [f"{cluster}: {_named(whose)}{why}" for (cluster, why), whose in alike.items()]


def known_roots(held: Iterable[HeldTrust | Unknown]) -> list[Certificate]:
    """Every root that some proxy trusts, each once."""
    of_proxies = (proxy for each in held if not isinstance(each, Unknown) for proxy in each.proxies)
    return list({root.fingerprint: root for proxy in of_proxies for root in proxy.roots}.values())


def _found(
    held: Mapping[str, HeldTrust | Unknown],
    of_istiod: Callable[[str, IstiodSigning], str],
    of_proxy: Callable[[str, ProxyTrust, str], Iterator[str]],
) -> Iterator[Obstacle]:
    """Whoever does not say what it holds, and what each of the others lacks.

    Args:
        held: what each cluster holds.
        of_istiod: of an istiod of a cluster, what it lacks; empty: nothing.
        of_proxy: of a proxy of a cluster, likewise; the text is what helps where it takes no roots while it runs.
    """
    for cluster, each in held.items():
        if isinstance(each, Unknown):
            yield Obstacle(cluster, "", each.reason)
            continue
        for proxy, why in each.silent.items():
            yield Obstacle(cluster, proxy, f"does not answer: {why}")
        if isinstance(each.istiods, Unknown):
            yield Obstacle(cluster, "", each.istiods.reason)
        else:
            for istiod in each.istiods:
                if lacking := of_istiod(cluster, istiod):
                    yield Obstacle(cluster, f"istiod {istiod.pod}", lacking)
        for trust in each.proxies:
            for lacking in of_proxy(cluster, trust, RESTART if trust.proxy in each.fixed else ""):
                yield Obstacle(cluster, trust.proxy, lacking)


def _named(whose: Sequence[str]) -> str:
    names = [each for each in whose if each]
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}: "
