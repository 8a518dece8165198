"""SM67x: Services and pods of namespaces that are in the mesh, as the clusters have them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from health.check import Cause, Check, Result, State, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import Observed, Unknown
from policy.checks.facts import Facts, Name
from policy.checks.reach import Reach
from policy.checks.services import HEADLESS, NO_SIDECAR, OTHER_NAMES, OTHER_NUMBERS
from policy.checks.shapes import Difference, port_names, port_numbers
from policy.finding import Rule
from policy.hosts import SUFFIX
from policy.world import Live, Service, World

NAMED = 5
Wrong = dict[tuple[str, str, Cause], list[str]]
"""By cluster, other cluster and cause, what is wrong with each Service."""


def _of(rule: Rule, code: str, symptom: str) -> Cause:
    """A cause that policy has a rule for too, where policy names the Service."""
    return Cause(code, rule.name, rule.severity, symptom, rule.effect, rule.cure, rule.source)


BARE = _of(
    NO_SIDECAR,
    "SM671",
    "The pods run and are ready, and clients on other networks never get an answer of theirs; 503 where there are no "
    "others",
)
PORT_NAMES = _of(
    OTHER_NAMES,
    "SM672",
    "Requests to a Service are answered by the client's own cluster only, or by no cluster: no error",
)
PORT_NUMBERS = _of(
    OTHER_NUMBERS, "SM673", "A share of the requests to a Service fails with 503, connection reset (flags UF,URX)"
)
OTHER_KIND = Cause(
    "SM674",
    "Service of another kind in another cluster",
    "warning",
    symptom="Clients in one cluster reach the other's endpoints, clients in the other do not, or get NXDOMAIN",
    cause=f"It has a cluster IP in one cluster, and is headless or an ExternalName in the other. {HEADLESS.effect}",
    cure="Give the Service the same kind in all clusters",
    source="https://github.com/istio/istio/issues/36733 and https://github.com/istio/istio.io/issues/12907",
)
NO_NAME = Cause(
    "SM675",
    "DNS name that one cluster does not know",
    "warning",
    symptom="`Could not resolve host` in one cluster, while clients in the other reach the Service",
    cause="Kubernetes' DNS knows the Services of its own cluster; this one is in another cluster only, in a namespace "
    "that both have in the mesh",
    cure="Declare it in `services:` of the stack, which makes the Service without pods where it is missing; or let "
    "sidecars answer: ISTIO_META_DNS_CAPTURE (docs/policy.md). Where nobody here asks for it, nothing is to be done",
    source="https://github.com/istio/istio/issues/58340",
)

SIDECARS = Check(
    "sidecars",
    "pods of Services in namespaces of the mesh have sidecars, without which no other network reaches them",
    (BARE,),
    needs=("api-servers",),
)
SERVICES = Check(
    "services",
    "Services of one name have the same kind and the same ports in all clusters of the mesh",
    (PORT_NAMES, PORT_NUMBERS, OTHER_KIND),
    needs=("api-servers",),
)
SERVICE_NAMES = Check(
    "service-names",
    "Services of namespaces that clusters share have a name in each of them",
    (NO_NAME,),
    needs=("api-servers",),
)


@dataclass(frozen=True)
class Shared:
    """What was seen, arranged for comparison.

    Attributes:
        facts: Services and pods by cluster.
        reach: who reaches whom over which network.
        missing: by Istio's name of a cluster that cannot be compared, why.
    """

    facts: Facts
    reach: Reach
    missing: dict[str, str]

    @classmethod
    def of(cls, observed: Observed) -> "Shared":
        """From what was seen: only clusters that told all of it are compared."""
        live: dict[str, Live] = {}
        missing: dict[str, str] = {}
        for name, cluster in observed.clusters.items():
            if reason := unanswered(cluster):
                missing[name] = reason
            elif isinstance(cluster.services, Unknown):
                missing[name] = cluster.services.reason
            elif isinstance(cluster.namespaces, Unknown):
                missing[name] = cluster.namespaces.reason
            else:
                pods = () if isinstance(cluster.unmeshed, Unknown) else cluster.unmeshed
                live[name] = Live(services=cluster.services, pods=pods, namespaces=cluster.namespaces)
        facts = Facts(World(observed.mesh, (), live))
        return cls(facts, Reach(facts), missing)

    def services(self) -> Iterator[tuple[Name, dict[str, Service]]]:
        """Every Service of a namespace that is in the mesh somewhere, with the clusters that have it."""
        found: dict[Name, dict[str, Service]] = {}
        for cluster, live in self.facts.world.live.items():
            for service in live.services:
                found.setdefault((service.namespace, service.name), {})[cluster] = service
        for (namespace, name), held in sorted(found.items()):
            local = self.reach.cluster_local(f"{name}.{namespace}.{SUFFIX}")
            if not local and any(self.meshed(c, namespace) for c in self.facts.world.live):
                yield (namespace, name), held

    def meshed(self, cluster: str, namespace: str) -> bool:
        """Whether pods made in a namespace of a cluster are injected."""
        live = self.facts.world.live.get(cluster)
        return live is not None and bool(live.namespaces.get(namespace))


def _results(observed: Observed, check: Check, look: Callable[[Shared], Wrong]) -> Iterator[Result]:
    shared = Shared.of(observed)
    for name, reason in shared.missing.items():
        yield skipped(check, reason, name)
    wrong = look(shared)
    for (cluster, peer, cause), said in wrong.items():
        yield found(check, cause, _listed(said), cluster, peer)
    for name in shared.facts.world.live:
        if not any(name == cluster for cluster, _, _ in wrong):
            yield ok(check, name)


def _listed(said: Sequence[str]) -> str:
    more = f"; and {len(said) - NAMED} Services more" if len(said) > NAMED else ""
    return "; ".join(said[:NAMED]) + more


def _bare(shared: Shared) -> Wrong:
    """Pods without a sidecar behind a Service that clients on another network have in the mesh."""
    wrong: Wrong = {}
    facts = shared.facts
    for (namespace, name), held in shared.services():
        for server, service in held.items():
            # Who sends requests is worked out for the few that lack one: a mesh may have thousands of Services.
            bare = sum(pods.ready for pods in facts.pods(server, service))
            clients = [
                client
                for client in (facts.world.live if bare else ())
                if client != server and shared.reach.crosses(client, server) and shared.meshed(client, namespace)
            ]
            if clients:
                why = "" if shared.meshed(server, namespace) else f", since {server} does not inject that namespace"
                said = f"{namespace}/{name}: {bare} ready {'pods' if bare > 1 else 'pod'} without sidecar{why}"
                wrong.setdefault((server, "", BARE), []).append(f"{said}; not reached from {', '.join(clients)}")
    return wrong


def _shapes(shared: Shared) -> Wrong:
    wrong: Wrong = {}
    for service, held in shared.services():
        if len({(each.ports, each.headless, each.type, bool(each.selector)) for each in held.values()}) == 1:
            continue
        clusters = [cluster for cluster in held if shared.meshed(cluster, service[0])]
        differences: list[tuple[Cause, Iterable[Difference]]] = [
            (PORT_NAMES, port_names(shared.facts, service, clusters)),
            (PORT_NUMBERS, port_numbers(shared.facts, service, clusters)),
            (OTHER_KIND, _kinds(shared, held, clusters)),
        ]
        for cause, found_here in differences:
            for each in found_here:
                client, server = each.clusters[0], each.clusters[1]
                if shared.meshed(server, service[0]):
                    said = f"{'/'.join(service)}: {each.said}"
                    wrong.setdefault((client, server, cause), []).append(said)
    return wrong


def _kinds(shared: Shared, held: dict[str, Service], clusters: Sequence[str]) -> Iterator[Difference]:
    told: set[frozenset[str]] = set()
    for client in clusters:
        for server in clusters:
            pair = frozenset((client, server))
            if (
                server in shared.facts.visible[client]
                and pair not in told
                and _kind(held[client]) != _kind(held[server])
            ):
                told.add(pair)
                said = f"{_kind(held[client])} in {client}, {_kind(held[server])} in {server}"
                yield Difference((client, server), said)


def _kind(service: Service) -> str:
    if service.type == "ExternalName":
        return "an ExternalName"
    return "headless" if service.headless else "with a cluster IP"


def _names(observed: Observed) -> Callable[[Shared], Wrong]:
    capturing = {name for name, cluster in observed.clusters.items() if _captures(cluster.proxies)}

    def look(shared: Shared) -> Wrong:
        wrong: Wrong = {}
        facts = shared.facts
        for (namespace, name), held in shared.services():
            serving = {c: s for c, s in held.items() if s.selector and not s.headless and shared.meshed(c, namespace)}
            for client in facts.world.live:
                if client in held or client in capturing or not shared.meshed(client, namespace):
                    continue
                servers = [server for server in serving if server in facts.visible[client]]
                if servers:
                    wrong.setdefault((client, servers[0], NO_NAME), []).append(
                        f"{name}.{namespace} (runs in {', '.join(servers)})"
                    )
        return wrong

    return look


def _captures(proxies: object) -> bool:
    """Whether the sidecars that were asked answer DNS queries."""
    asked = [each for each in proxies if each.type == "sidecar"] if isinstance(proxies, tuple) else []
    return bool(asked) and any(each.dns_capture for each in asked)


def _sidecars(observed: Observed) -> Iterator[Result]:
    unknown = {
        name: cluster.unmeshed.reason
        for name, cluster in observed.clusters.items()
        if isinstance(cluster.unmeshed, Unknown)
    }
    for result in _results(observed, SIDECARS, _bare):
        reason = unknown.get(result.cluster)
        yield skipped(SIDECARS, reason, result.cluster) if reason and result.state is State.OK else result


EXAMINED = (
    Examined(SIDECARS, _sidecars),
    Examined(SERVICES, lambda observed: _results(observed, SERVICES, _shapes)),
    Examined(SERVICE_NAMES, lambda observed: _results(observed, SERVICE_NAMES, _names(observed))),
)
