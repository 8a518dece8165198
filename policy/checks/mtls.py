"""Mutual TLS across networks: an east-west gateway finds the Service by the SNI of Istio's own TLS only."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.checks.held import Held, Policy, rule_host
from policy.checks.reach import Reach
from policy.checks.routes import mapping, mappings
from policy.document import Document, Path
from policy.finding import Finding, Rule, at
from policy.hosts import SUFFIX

MTLS_ONLY = "https://github.com/istio/istio/pull/30705"

TLS_MODE = Rule(
    "SM304",
    "TLS mode that drops remote endpoints",
    "error",
    "istiod takes endpoints on other networks away from clients of the host: without Istio's mutual TLS an east-west "
    "gateway cannot tell where a connection goes",
    "Use ISTIO_MUTUAL, or leave tls away: Istio uses mutual TLS wherever both sides have a sidecar",
    MTLS_ONLY,
)
DISABLED = Rule(
    "SM305",
    "PeerAuthentication that drops remote endpoints",
    "error",
    "istiod takes these pods away from clients on other networks, who then get fewer endpoints or none",
    "Use PERMISSIVE, which takes plain text too, or STRICT",
    "https://github.com/istio/istio/issues/28798",
)
NO_NOTICE = Rule(
    "SM313",
    "PeerAuthentication that istiod takes no notice of",
    "warning",
    "In the root namespace only a PeerAuthentication without selector counts: these pods keep the mode they have",
    "Put it in the namespace of the pods",
    "https://github.com/istio/api/pull/3604",
)
RULES = (TLS_MODE, DISABLED, NO_NOTICE)
OFF = "DISABLE"


def check(reach: Reach, policy: Policy) -> Iterator[Finding]:
    """DestinationRules and PeerAuthentications that switch mutual TLS off for what crosses networks, or do nothing."""
    for held in policy.declared("PeerAuthentication") if reach.clusters else ():
        document = held.document
        if document.namespace == reach.root_namespace and _selector(document):
            message = f"it selects pods, in the root namespace {document.namespace}"
            yield at(document, ("spec", "selector"), NO_NOTICE, message)
        elif reach.several_networks:
            yield from _of_peers(reach, held)
    for held in policy.declared("DestinationRule") if reach.several_networks else ():
        yield from _of_rule(reach, held)


def switches_off(document: Document) -> bool:
    """Whether a DestinationRule or PeerAuthentication writes a mode that is not Istio's mutual TLS.

    Args:
        document: an object of any kind.
    """
    if document.kind == "DestinationRule":
        return any(tls.get("mode") not in (None, "", "ISTIO_MUTUAL") for _, tls, _ in _tls(document))
    if document.kind == "PeerAuthentication":
        ports = mapping(document.spec.get("portLevelMtls")).values()
        return any(mapping(each).get("mode") == OFF for each in (document.spec.get("mtls"), *ports))
    return False


def _of_rule(reach: Reach, held: Held) -> Iterator[Finding]:
    document, host = held.document, rule_host(held.document)
    written = [
        (path, str(tls["mode"]), labels)
        for path, tls, labels in _tls(document)
        if tls.get("mode") and tls["mode"] != "ISTIO_MUTUAL"
    ]
    for path, mode, labels in written:
        if crossings := reach.crossings(host, held.clusters, labels):
            message = f"with {mode}, {_lost(reach, crossings)} of {host}"
            yield at(document, (*path, "mode"), TLS_MODE, message, _clients(crossings))


def _tls(document: Document) -> Iterator[tuple[Path, Mapping[str, Any], Mapping[str, str]]]:
    """Every tls that a DestinationRule writes: path, value, labels of its subset."""
    places: list[tuple[Path, Mapping[str, Any], Mapping[str, str]]] = [(("spec",), document.spec, {})]
    for index, subset in mappings(document.spec.get("subsets")):
        own = {str(k): str(v) for k, v in mapping(subset.get("labels")).items()}
        places.append((("spec", "subsets", index), subset, own))
    for above, owner, labels in places:
        path: Path = (*above, "trafficPolicy")
        found = mapping(owner.get("trafficPolicy"))
        yield (*path, "tls"), mapping(found.get("tls")), labels
        for index, port in mappings(found.get("portLevelSettings")):
            yield (*path, "portLevelSettings", index, "tls"), mapping(port.get("tls")), labels


def _of_peers(reach: Reach, held: Held) -> Iterator[Finding]:
    document = held.document
    # The client's istiod leaves the endpoints out, the server's lets the pods speak plain text: either is enough.
    crossings = [pair for pair in _to_pods(reach, document) if any(cluster in held.clusters for cluster in pair)]
    if not crossings:
        return
    whose = _whose(reach, document)
    if mapping(document.spec.get("mtls")).get("mode") == OFF:
        message = f"with {OFF}, {_lost(reach, crossings)} of {whose}"
        yield at(document, ("spec", "mtls", "mode"), DISABLED, message, _servers(crossings))
    # Settings of ports count with a selector only.
    for port, value in mapping(document.spec.get("portLevelMtls")).items() if _selector(document) else ():
        if mapping(value).get("mode") == OFF:
            message = f"with {OFF} on port {port}, {_lost(reach, crossings)} of {whose} at that port"
            yield at(document, ("spec", "portLevelMtls", str(port)), DISABLED, message, _servers(crossings))


def _to_pods(reach: Reach, document: Document) -> list[tuple[str, str]]:
    """Client and serving cluster of the pods that a PeerAuthentication is for."""
    everywhere = document.namespace == reach.root_namespace
    if not everywhere and reach.cluster_local(f"any.{document.namespace}.{SUFFIX}"):
        return []
    known = {c: everywhere or _has_pods(reach, c, document) for c in reach.clusters}
    if not any(known.values()):
        # Nobody runs such pods yet: what is not injected anywhere will not be reached anyway.
        spaces = [reach.facts.world.live[c].namespaces.get(document.namespace) for c in reach.clusters]
        known = {} if any(injected is False for injected in spaces) else dict.fromkeys(known, True)
    serving = [c for c, there in known.items() if there]
    return [(client, peer) for client in reach.clusters for peer in serving if reach.crosses(client, peer)]


def _has_pods(reach: Reach, cluster: str, document: Document) -> bool:
    """Whether a cluster has pods with a sidecar that it is for, or may have."""
    live = reach.facts.world.live.get(cluster)
    wanted = _selector(document).items()
    return live is None or any(
        p.injected and p.namespace == document.namespace and wanted <= dict(p.labels).items() for p in live.pods
    )


def _selector(document: Document) -> dict[str, str]:
    labels = mapping(mapping(document.spec.get("selector")).get("matchLabels"))
    return {str(k): str(v) for k, v in labels.items()}


def _whose(reach: Reach, document: Document) -> str:
    if labels := _selector(document):
        return f"pods of {document.namespace} with {', '.join(f'{k}={v}' for k, v in labels.items())}"
    return "every namespace" if document.namespace == reach.root_namespace else f"namespace {document.namespace}"


def _lost(reach: Reach, crossings: list[tuple[str, str]]) -> str:
    clients, servers = _clients(crossings), _servers(crossings)
    servers = tuple(c for c in reach.clusters if c in servers)
    return f"clients in {', '.join(clients)} lose the endpoints in {', '.join(reach.place(c) for c in servers)}"


def _clients(crossings: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(client for client, _ in crossings))


def _servers(crossings: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(server for _, server in crossings))
