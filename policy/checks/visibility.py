"""Sidecar, exportTo and EnvoyFilter: what hides hosts, policy or remote endpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.checks.held import Held, Policy, items, namespace_of, route_hosts, rule_host
from policy.checks.reach import Reach
from policy.checks.routes import gateways, mapping, mappings, whole
from policy.finding import Finding, Rule, at

SIDECAR = "https://istio.io/latest/docs/reference/config/networking/sidecar/#IstioEgressListener"
EAST_WEST_LABELS = {"istio": "eastwestgateway", "app": "istio-eastwestgateway"}
EAST_WEST_PORT = 15443
OF_GATEWAYS, OF_CLIENTS = ("GATEWAY", "ANY", ""), ("SIDECAR_OUTBOUND", "ANY", "")
CONNECTIONS = ("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "LISTENER_FILTER", "CLUSTER")
ENDPOINT_KEYS = (
    "load_assignment",
    "loadAssignment",
    "eds_cluster_config",
    "edsClusterConfig",
    "type",
    "transport_socket",
    "transportSocket",
    "transport_socket_matches",
    "transportSocketMatches",
    "common_lb_config",
    "commonLbConfig",
    "lb_subset_config",
    "lbSubsetConfig",
)

HIDDEN = Rule(
    "SM308",
    "Host or policy that is hidden",
    "warning",
    "A sidecar that does not import a host knows none of its endpoints: requests go by the plain cluster IP, without "
    "mutual TLS, and never to another network; policy that is not visible does not hold",
    "Add the host to egress.hosts as namespace/host, or the namespace to exportTo",
    SIDECAR,
)
FILTER = Rule(
    "SM309",
    "EnvoyFilter on what crosses networks",
    "warning",
    "The patch changes what istiod builds for other networks: clusters whose endpoints, priorities and TLS it fills, "
    "or the pass-through listener of the east-west gateway",
    "Use a DestinationRule; or narrow the patch by workloadSelector, context and match to what it is for",
    "https://istio.io/latest/docs/reference/config/networking/envoy-filter/",
)
RULES = (HIDDEN, FILTER)


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """Hosts that Sidecars hide from policy beside them, subsets out of sight, and EnvoyFilters that need care."""
    yield from _hidden_hosts(reach, policy)
    yield from _hidden_subsets(reach, policy)
    for held in policy.declared("EnvoyFilter") if reach.several_networks else ():
        yield from _patches(reach, held)


def _hidden_hosts(reach: Reach, policy: Policy) -> Iterator[Finding]:
    sidecars: dict[str, list[Held]] = {}
    for held in policy.declared("Sidecar"):
        sidecars.setdefault(held.document.namespace, []).append(held)
    if not sidecars:
        return
    everywhere = [s for s in sidecars.get(reach.root_namespace, ()) if not s.document.spec.get("workloadSelector")]
    inferred = _Inferred(reach)
    for held in policy.declared("VirtualService", "DestinationRule"):
        document, space = held.document, held.document.namespace
        routes = document.kind == "VirtualService"
        for host in route_hosts(document) if routes else [rule_host(document)]:
            for sidecar in sidecars.get(space) or everywhere:
                clusters = tuple(c for c in sidecar.clusters if c in held.clusters)
                if not clusters or _imports(sidecar, space, host, {space} if routes else set()):
                    continue
                if routes or host not in inferred.by(sidecar, space):
                    yield _not_imported(sidecar, held, host, clusters)


class _Inferred:
    """Hosts that sidecars know because a VirtualService that they import leads there."""

    def __init__(self, reach: Reach) -> None:
        self._there: dict[str, list[tuple[list[str], str]]] = {}
        for route in reach.facts.routes:
            document = route.placed.document
            hosts = route_hosts(document) if document.kind == "VirtualService" else []
            for destination in (*route.destinations, *route.mirrors) if hosts else ():
                self._there.setdefault(document.namespace, []).append((hosts, destination.host))
        self._by: dict[tuple[int, str], set[str]] = {}

    def by(self, sidecar: Held, space: str) -> set[str]:
        """Those of one Sidecar, by the VirtualServices of one namespace."""
        key = id(sidecar), space
        if key not in self._by:
            self._by[key] = {
                host
                for hosts, host in self._there.get(space, ())
                if any(_imports(sidecar, space, each, {space}) for each in hosts)
            }
        return self._by[key]


def _not_imported(sidecar: Held, held: Held, host: str, clusters: tuple[str, ...]) -> Finding:
    labels = mapping(mapping(sidecar.document.spec.get("workloadSelector")).get("labels"))
    pods = f"pods with {', '.join(f'{k}={v}' for k, v in labels.items())}" if labels else "pods"
    message = f"{pods} of {held.document.namespace} do not import {host}, for which {held.where} is written"
    cure = f"Add {namespace_of(host) or '*'}/{host} to egress.hosts"
    return at(sidecar.document, ("spec", "egress"), HIDDEN, message, tuple(filter(None, clusters)), cure)


def _imports(sidecar: Held, namespace: str, host: str, also: set[str]) -> bool:
    """Whether any egress listener imports a host; one without hosts, or no listener at all, imports everything."""
    listeners = mappings(sidecar.document.spec.get("egress"))
    if not listeners:
        return True
    owners = {namespace_of(host), *also} - {""}
    for _, listener in listeners:
        for entry in items(listener, "hosts"):
            space, _, pattern = str(entry).partition("/")
            space = namespace if space == "." else space
            if (space == "*" or not owners or space in owners) and _matches(pattern, host):
                return True
    return False


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*"):
        return host.endswith(pattern[1:]) or host == "*"
    return pattern == host or (host.startswith("*") and pattern.endswith(host[1:]))


def _hidden_subsets(reach: Reach, policy: Policy) -> Iterator[Finding]:
    for route in reach.facts.routes:
        document = route.placed.document
        if "mesh" not in gateways(route.placed):
            continue
        for destination in (*route.destinations, *route.mirrors):
            hiding: dict[str, Held] = {}
            for cluster in reach.facts.where(route.placed) if destination.subset else ():
                rules = [r for r in policy.rules(cluster, destination.host) if destination.subset in r.subsets]
                if rules and not any(r.seen_from(document.namespace) for r in rules):
                    hiding[cluster] = rules[0]
            for rule in list(hiding.values())[:1]:
                message = f"{destination} is defined by {rule.where}, whose exportTo leaves out {document.namespace}"
                cure = f"Add {document.namespace} to exportTo of {rule.document}"
                yield at(document, destination.path, HIDDEN, message, tuple(filter(None, hiding)), cure)


def _patches(reach: Reach, held: Held) -> Iterator[Finding]:
    document = held.document
    for index, entry in mappings(document.spec.get("configPatches")):
        match, patch = mapping(entry.get("match")), mapping(entry.get("patch"))
        what, context = str(entry.get("applyTo") or ""), str(match.get("context") or "")
        path = ("spec", "configPatches", index)
        if what == "CLUSTER" and context in OF_CLIENTS and (changed := _changed(patch)) and _of_the_mesh(reach, match):
            message = f"it {changed} of clusters that sidecars reach other networks by"
            yield at(document, path, FILTER, message)
        elif what in CONNECTIONS and context in OF_GATEWAYS and _on_east_west(reach, held) and _on_port(match):
            message = f"it patches {what} of the east-west gateway, port {EAST_WEST_PORT} included"
            cure = "Give workloadSelector labels of the gateway that is meant, or match.listener.portNumber"
            yield at(document, path, FILTER, message, cure=cure)


def _changed(patch: Mapping[str, Any]) -> str:
    if patch.get("operation") == "REMOVE":
        return "removes some"
    keys = [key for key in mapping(patch.get("value")) if key in ENDPOINT_KEYS]
    return f"sets {', '.join(keys)}" if patch.get("operation") in {"MERGE", "REPLACE"} and keys else ""


def _of_the_mesh(reach: Reach, match: Mapping[str, Any]) -> bool:
    cluster = mapping(match.get("cluster"))
    service, name = str(cluster.get("service") or ""), str(cluster.get("name") or "")
    host = service or name.rpartition("|")[2]
    return not host or bool(namespace_of(host) and reach.crossings(host, reach.clusters))


def _on_east_west(reach: Reach, held: Held) -> bool:
    document = held.document
    labels = mapping(mapping(document.spec.get("workloadSelector")).get("labels"))
    if items(document.spec, "targetRefs"):
        return False
    # The east-west gateways of this mesh stand in istio-system.
    if document.namespace not in {reach.root_namespace, "istio-system"}:
        return False
    return all(EAST_WEST_LABELS.get(str(key)) == value for key, value in labels.items())


def _on_port(match: Mapping[str, Any]) -> bool:
    port = whole(mapping(match.get("listener")).get("portNumber"))
    number = whole(mapping(match.get("cluster")).get("portNumber"))
    if number is not None or mapping(match.get("cluster")).get("service"):
        return False
    named = mapping(mapping(mapping(match.get("listener")).get("filterChain")).get("filter")).get("name")
    # The chains of pass-through hold a TCP proxy and no HTTP connection manager.
    return port in {None, EAST_WEST_PORT} and "http_connection_manager" not in str(named or "")
