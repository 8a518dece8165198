"""Hosts that policy names: whether a Service of that name is there, and whether it is the one that is meant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.checks.facts import ISTIO, Facts
from policy.checks.routes import GATEWAY_API, gateways
from policy.document import Path
from policy.finding import Finding, Rule, at
from policy.hosts import SUFFIX, full_name, service_of
from policy.world import Placed, Service

DESTINATION = "https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination"

NO_SERVICE = Rule(
    "SM204",
    "Destination without Service",
    "error",
    "istiod knows no Service of that name in any cluster: Envoy has no cluster for it and answers 503",
    "Mend the name, or apply the Service (or a ServiceEntry) first; `services:` declares one that runs elsewhere",
    "https://istio.io/latest/docs/reference/config/analysis/ist0101/",
)
OTHER_NAMESPACE = Rule(
    "SM205",
    "Short host name of a Service in another namespace",
    "error",
    "Istio completes a short name with the namespace of the object, where no such Service is: a route to it answers "
    "503, a DestinationRule for it holds for nothing",
    "Write the full name: <service>.<namespace>.svc.cluster.local",
    DESTINATION,
)
HALF_NAME = Rule(
    "SM206",
    "Half a name",
    "error",
    "Istio completes only names without any dot: this one stays as it is, and is the name of no Service",
    "Write the full name: <service>.<namespace>.svc.cluster.local",
    DESTINATION,
)
FOR_NOTHING = Rule(
    "SM214",
    "Policy for a host without Service",
    "warning",
    "istiod knows no Service of that name in any cluster: the policy holds for nothing",
    "Mend the name, or apply the Service first",
    "https://istio.io/latest/docs/reference/config/networking/destination-rule/#DestinationRule",
)
ELSEWHERE = Rule(
    "SM216",
    "Short host name that is another cluster's Service",
    "warning",
    "In this cluster the name stands for a Service that only other clusters have, while its own Service of that name "
    "is in another namespace: requests leave the cluster",
    "Write the full name of the Service that is meant, or narrow the object to the clusters that have it",
    "https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/",
)
RULES = (NO_SERVICE, OTHER_NAMESPACE, HALF_NAME, FOR_NOTHING, ELSEWHERE)


@dataclass(frozen=True)
class Named:
    """A host that an object names.

    Attributes:
        placed: the object.
        path: path of the key.
        written: the host as written.
        host: the full host.
        role: where requests go, or what policy is for.
    """

    placed: Placed
    path: Path
    written: str
    host: str
    role: Literal["destination", "policy"]


def named(facts: Facts) -> Iterator[Named]:
    """Every host that a route sends to, that a DestinationRule is for, or that a VirtualService routes in sidecars."""
    for route in facts.routes:
        for d in (*route.destinations, *route.mirrors):
            yield Named(route.placed, d.host_path, d.written, d.host, "destination")
    for placed in facts.world.of_kind("DestinationRule", "VirtualService"):
        document = placed.document
        if document.group != ISTIO:
            continue
        if document.kind == "DestinationRule":
            written: list[tuple[Path, object]] = [(("spec", "host"), document.spec.get("host"))]
        else:
            hosts = document.spec.get("hosts")
            bound = "mesh" in gateways(placed) and isinstance(hosts, list)
            written = [(("spec", "hosts", i), host) for i, host in enumerate(hosts or [])] if bound else []
        for path, host in written:
            if isinstance(host, str) and host:
                yield Named(placed, path, host, full_name(host, document.namespace), "policy")


def check(facts: Facts) -> Iterator[Finding]:
    """Hosts without Service, short names that mean another Service, and half names."""
    told: set[tuple[int, str]] = set()
    for name in named(facts):
        where = id(name.placed.document), name.host
        if not service_of(name.host):
            yield from _half(facts, name)
        elif name.role == "destination" or where not in told:
            told.add(where)
            yield from _service(facts, name)


def _service(facts: Facts, name: Named) -> Iterator[Finding]:
    service = service_of(name.host)
    if service is None or service in facts.promised:
        return
    document, places = name.placed.document, facts.where(name.placed)
    there = {c: facts.services(c, service) for c in places}
    # An object may be applied together with its namespace: what else comes with it is not known.
    own = service[0] == document.namespace
    lacking = tuple(
        c
        for c in places
        if not there[c]
        and facts.complete(c)
        and not facts.entries(c, name.host)
        and not (own and facts.empty(c, service[0]))
    )
    # A name of the Gateway API is always completed by its own `namespace` key.
    short = "." not in name.written and document.group != GATEWAY_API
    others = {ns: cs for ns, cs in facts.namesakes.get(service[1], {}).items() if ns != service[0]}
    if lacking:
        message = f"{name.written} is {service[1]} in namespace {service[0]}, which no cluster has"
        if short and others:
            has = "; ".join(f"namespace {ns} has one in {', '.join(cs)}" for ns, cs in sorted(others.items()))
            cure = " or ".join(f"{service[1]}.{ns}.{SUFFIX}" for ns in sorted(others))
            yield at(document, name.path, OTHER_NAMESPACE, f"{message}; {has}", lacking, f"Write {cure}")
        else:
            rule = NO_SERVICE if name.role == "destination" else FOR_NOTHING
            yield at(document, name.path, rule, message, lacking)
    if short and others:
        yield from _elsewhere(facts, name, service, there, others)


def _elsewhere(
    facts: Facts,
    name: Named,
    service: tuple[str, str],
    there: Mapping[str, Mapping[str, Service]],
    others: Mapping[str, Sequence[str]],
) -> Iterator[Finding]:
    for cluster, services in there.items():
        own = sorted(ns for ns, clusters in others.items() if cluster in clusters)
        if own and services and cluster in facts.world.live and cluster not in services:
            message = (
                f"in {cluster}, {name.written} is {service[1]} in namespace {service[0]}, which only "
                f"{', '.join(services)} has; {cluster} has its {service[1]} in namespace {', '.join(own)}"
            )
            yield at(name.placed.document, name.path, ELSEWHERE, message, (cluster,))


def _half(facts: Facts, name: Named) -> Iterator[Finding]:
    document, parts = name.placed.document, name.written.split(".")
    if not all(parts) or "*" in name.written or any(facts.entries(c, name.host) for c in facts.where(name.placed)):
        return
    if len(parts) == 2:
        service, namespace = parts
        # A domain of two labels looks the same: somebody has to have such a Service, or at least such a namespace.
        asked = all(facts.complete(c) for c in facts.places) and namespace in facts.namespaces
        if not (facts.exists((namespace, service)) or namespace == document.namespace or asked):
            return
    elif not (len(parts) == 3 and parts[2] == "svc"):
        return
    full = f"{parts[0]}.{parts[1]}.{SUFFIX}"
    what = "requests sent there get 503" if name.role == "destination" else f"this is not for {full}"
    yield at(
        document, name.path, HALF_NAME, f"{name.written} has a dot and is not completed: {what}", cure=f"Write {full}"
    )
