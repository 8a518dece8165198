"""What can be looked for only once every cluster has said what it holds: in which namespaces, behind which hosts."""

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice, zip_longest
from typing import Any

from health.live_policy import LivePolicy
from health.matrix import PROBE_NAMESPACE
from health.observed import EastWestGateway, Istiod, Observed, ObservedCluster, ProxySync, Unknown
from live.client import api_client
from live.drift import Expected
from live.kubeconfig import ClusterAccess
from live.observed import cut_off, policy_objects, proxies, workloads
from live.observed.istiods import syncz
from live.pods.port import ISTIOD_DEBUG, PodPortError, pod_http
from live.policy.api import PODS, Api
from live.policy.contents import alike
from live.reachability import UnreachableError, explained
from policy.checks.facts import Facts
from policy.checks.held import rule_host
from policy.checks.mtls import switches_off
from policy.checks.reach import Reach
from policy.document import Document
from policy.hosts import SUFFIX, service_of
from policy.world import Live, Pods, World
from topology.defaults import NAMESPACE

CALLS = 4
# Of each cluster: how many sidecars are asked, how many of those say their endpoints, how many that are behind.
SIDECARS, CLIENTS, BEHIND = 8, 4, 5
# Services that a client is asked about, of each cluster on another network.
SERVICES = 5
# A proxy that is behind for longer is not just being told.
SETTLE_SECONDS = 2.0
UNSETTLED = ("STALE", "REJECTED")


def second_look(
    observed: Observed, accesses: Mapping[str, ClusterAccess], expected: Expected | None = None
) -> Observed:
    """Pods without sidecar, single proxies, and what is not as declared, of clusters that were seen.

    Args:
        observed: what :func:`live.observed.observe` gave of the topics istiods, namespaces, services and policy.
        accesses: the clusters, by Istio's name.
        expected: what the stack declares of policy; None: nobody says.

    Returns:
        The same, with ``unmeshed``, ``proxies``, ``cut_off``, ``policy``, and ``proxies_trust`` of a few sidecars more.
    """
    asked = [each for each in observed.clusters.values() if not isinstance(each.kubernetes, Unknown)]
    if not asked:
        return observed
    injected = {name for each in asked for name, into in _known(each.namespaces, {}).items() if into}
    plain = {name for each in asked for name in _without_mutual_tls(each.policy)} & injected
    hosts = _hosts(observed)

    def look(cluster: ObservedCluster) -> ObservedCluster:
        wanted = _Wanted(injected, plain, hosts.get(cluster.name, ()), expected)
        return _cluster(observed, cluster, accesses[cluster.name], wanted)

    pool = ThreadPoolExecutor(max_workers=len(asked), thread_name_prefix="across")
    try:
        found = {each.name: each for each in pool.map(look, asked)}
    finally:
        pool.shutdown(cancel_futures=True)
    return replace(observed, clusters={**observed.clusters, **found})


@dataclass(frozen=True)
class _Wanted:
    """What to look for in one cluster.

    Attributes:
        injected: namespaces that some cluster injects.
        plain: namespaces of those that some policy takes mutual TLS from.
        hosts: hosts of other networks that clients are asked about.
        expected: what the stack declares of policy; None: nobody says.
    """

    injected: Set[str]
    plain: Set[str]
    hosts: Sequence[str]
    expected: Expected | None


def _without_mutual_tls(policy: LivePolicy | Unknown) -> Iterator[str]:
    """Namespaces of the Services and pods."""
    for document in () if isinstance(policy, Unknown) else (Document("", 0, body) for body in policy.objects):
        if switches_off(document):
            service = service_of(rule_host(document)) if document.kind == "DestinationRule" else None
            yield service[0] if service else document.namespace


def _cluster(observed: Observed, cluster: ObservedCluster, access: ClusterAccess, wanted: _Wanted) -> ObservedCluster:
    started = time.monotonic()
    istiods = _settled(observed, cluster, access)
    cluster = replace(cluster, istiods=istiods)
    with ThreadPoolExecutor(max_workers=CALLS, thread_name_prefix=f"across-{cluster.name}") as pool:
        expected = wanted.expected
        comparing = pool.submit(policy_objects.compared, access, expected, cluster.policy) if expected else None
        bare = pool.submit(_pods, access, cluster, wanted)
        without_istiod = pool.submit(cut_off.read, access, cluster, istiods)
        if isinstance(istiods, Unknown):
            found: dict[str, Any] = {"proxies": istiods}
        else:
            questions = list(_questions(cluster, istiods, wanted.hosts))
            answers = list(pool.map(lambda question: proxies.ask(access, question), questions))
            trust = [answer.trust for answer in answers if answer.trust]
            seen = _known(cluster.proxies_trust, ())
            more = [each for each in trust if each.proxy not in {s.proxy for s in seen}]
            found = {"proxies": tuple(answer.proxy for answer in answers)}
            if more:
                found["proxies_trust"] = (*seen, *more)
        found["cut_off"] = without_istiod.result()
        found["unmeshed"], pods = bare.result()
        policy = comparing.result() if comparing else cluster.policy
        found["policy"] = policy if isinstance(policy, Unknown) else replace(policy, pods=pods)
    return replace(cluster, **found, seconds=cluster.seconds + time.monotonic() - started)


def _pods(
    access: ClusterAccess, cluster: ObservedCluster, wanted: _Wanted
) -> tuple[tuple[Pods, ...] | Unknown, tuple[Pods, ...]]:
    """Pods without sidecar, and all pods that policy takes mutual TLS from."""
    if isinstance(cluster.namespaces, Unknown):
        return cluster.namespaces, ()
    here = cluster.namespaces.keys()
    try:
        with (
            explained(access, "listing pods"),
            api_client(access) as client,
            ThreadPoolExecutor(max_workers=CALLS) as pool,
        ):
            api = Api(client)
            bare = workloads.unmeshed(api, wanted.injected & here, pool)
            return bare, tuple(pods for name in sorted(wanted.plain & here) for pods in alike(api.list(PODS, name)))
    except UnreachableError as error:
        return Unknown(f"{error.cause}. {error.cure}", error.status), ()


def _questions(cluster: ObservedCluster, istiods: Sequence[Istiod], hosts: Sequence[str]) -> Iterator[proxies.Question]:
    """Gateways, a few sidecars of different namespaces, and those that are behind."""
    own = {each.proxy: each for istiod in istiods for each in istiod.proxies if each.cluster == cluster.name}
    gateways = cluster.gateway.pods if isinstance(cluster.gateway, EastWestGateway) else ()
    gateway = {f"{pod.name}.{NAMESPACE}" for pod in gateways}
    addresses = frozenset(f"{g.address}:{g.port}" for istiod in istiods for g in istiod.gateways)
    sidecars = (each for each in own.values() if each.type == "sidecar" and _namespace(each) != PROBE_NAMESPACE)
    sample = [each.proxy for each in _spread(sidecars)]
    clients = set(sample[:CLIENTS])
    behind = [name for name, each in own.items() if set(each.states.values()) & set(UNSETTLED)]
    for name in dict.fromkeys((*sorted(gateway & own.keys()), *sample[:SIDECARS], *behind[:BEHIND])):
        if name in clients:
            yield proxies.Question(own[name], tuple(hosts), addresses)
        else:
            yield proxies.Question(own[name])


def _namespace(sync: ProxySync) -> str:
    return sync.proxy.partition(".")[2]


def _spread(found: Iterator[ProxySync]) -> list[ProxySync]:
    """Proxies in such an order that the first ones are of different namespaces."""
    of: dict[str, list[ProxySync]] = {}
    for each in sorted(found, key=lambda each: each.proxy):
        of.setdefault(_namespace(each), []).append(each)
    return [each for each in chain.from_iterable(zip_longest(*of.values())) if each is not None]


def _hosts(observed: Observed) -> dict[str, tuple[str, ...]]:
    """By client cluster, hosts of a few Services that clusters on other networks run."""
    live = {
        name: Live(services=each.services, namespaces=each.namespaces)
        for name, each in observed.clusters.items()
        if not isinstance(each.services, Unknown) and not isinstance(each.namespaces, Unknown)
    }
    facts = Facts(World(observed.mesh, (), live))
    reach = Reach(facts)
    found: dict[str, tuple[str, ...]] = {}
    for client in live:
        chosen: dict[str, None] = {}
        for server in facts.visible[client]:
            if server in live and facts.crosses(client, server):
                chosen |= dict.fromkeys(islice(_served(live[server], reach), SERVICES))
        found[client] = tuple(chosen)
    return found


def _served(live: Live, reach: Reach) -> Iterator[str]:
    """Hosts that a cluster has pods in the mesh for, of different namespaces first."""
    of: dict[str, list[str]] = {}
    for service in live.services:
        host = f"{service.name}.{service.namespace}.{SUFFIX}"
        meshed = service.selector and not service.headless and live.namespaces.get(service.namespace)
        if meshed and not reach.cluster_local(host):
            of.setdefault(service.namespace, []).append(host)
    for hosts in zip_longest(*of.values()):
        yield from (host for host in hosts if host)


def _settled(observed: Observed, cluster: ObservedCluster, access: ClusterAccess) -> tuple[Istiod, ...] | Unknown:
    """The istiods, with those proxies as behind that still are a moment later: to be told something takes its time."""
    istiods = cluster.istiods
    if isinstance(istiods, Unknown) or not any(map(_behind, istiods)):
        return istiods
    time.sleep(max(0.0, SETTLE_SECONDS - (datetime.now(UTC) - observed.at).total_seconds()))
    return tuple(_asked_again(access, istiod) if _behind(istiod) else istiod for istiod in istiods)


def _behind(istiod: Istiod) -> bool:
    return any(state in UNSETTLED for proxy in istiod.proxies for state in proxy.states.values())


def _asked_again(access: ClusterAccess, istiod: Istiod) -> Istiod:
    try:
        with pod_http(access, istiod.pod, NAMESPACE, ISTIOD_DEBUG) as http:
            now = {each.proxy: each for each in syncz(http)}
    except PodPortError:
        return istiod
    return replace(istiod, proxies=tuple(_both(each, now[each.proxy]) for each in istiod.proxies if each.proxy in now))


def _both(before: ProxySync, now: ProxySync) -> ProxySync:
    states = {
        kind: "SYNCED" if state == "STALE" and before.states.get(kind) not in UNSETTLED else state
        for kind, state in now.states.items()
    }
    return replace(now, states=states)


def _known(value: Any, otherwise: Any) -> Any:
    return otherwise if isinstance(value, Unknown) else value
