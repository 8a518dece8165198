"""A proxy's whole configuration: Envoy's ``/config_dump?include_eds``."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from envoy.cluster import Cluster, read_cluster
from envoy.endpoint import Endpoint, read_endpoints
from envoy.listener import Listener, read_listener
from envoy.route import RouteConfiguration, read_route_configuration


@dataclass(frozen=True)
class Node:
    """Who the proxy says it is.

    Attributes:
        id: ``sidecar~<IP>~<pod>.<namespace>~<DNS domain>``.
        pod: name of its pod.
        namespace: its namespace.
        cluster: Istio's name of its cluster.
        network: its network.
        version: its Istio version.
        dns_capture: whether the sidecar answers the application's DNS queries (ISTIO_META_DNS_CAPTURE).
    """

    id: str = ""
    pod: str = ""
    namespace: str = ""
    cluster: str = ""
    network: str = ""
    version: str = ""
    dns_capture: bool = False


@dataclass(frozen=True)
class Certificates:
    """What a proxy shows, and whom it trusts; private keys are never in a config_dump.

    Attributes:
        chain: its own certificate first.
        roots: certificates of its trust bundle.
    """

    chain: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True)
class ConfigDump:
    """A proxy's configuration.

    Attributes:
        node: who it is.
        listeners: by name.
        routes: route configurations, by name.
        clusters: by name.
        endpoints: what EDS gave, by the name that a cluster asks for them by.
        certificates: its own certificate, and the roots that it trusts.
        rejected: what it refused of istiod's configuration: name, and why.
    """

    node: Node
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    routes: Mapping[str, RouteConfiguration] = field(default_factory=dict)
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    certificates: Certificates = field(default_factory=Certificates)
    rejected: tuple[str, ...] = ()

    def endpoints_of(self, cluster: str) -> tuple[Endpoint, ...]:
        """What EDS gave a cluster; empty where it has none, or is none."""
        return self.endpoints.get(self.clusters[cluster].endpoints, ()) if cluster in self.clusters else ()


def read_config_dump(document: Mapping[str, Any]) -> ConfigDump:
    """The configuration, from JSON.

    Args:
        document: answer of ``/config_dump?include_eds``, whole or with some of its ``configs``.
    """
    parts: dict[str, Mapping[str, Any]] = {
        str(part.get("@type") or "").rpartition(".")[2]: part for part in document.get("configs") or ()
    }

    def part(name: str) -> Mapping[str, Any]:
        return parts.get(name, {})

    listeners = [read_listener(body) for body in _listeners(part("ListenersConfigDump"))]
    routes = [read_route_configuration(body) for body in _routes(part("RoutesConfigDump"))]
    clusters = [read_cluster(body) for body in _clusters(part("ClustersConfigDump"))]
    return ConfigDump(
        node=_node((part("BootstrapConfigDump").get("bootstrap") or {}).get("node") or {}),
        listeners={each.name: each for each in listeners},
        routes={each.name: each for each in routes},
        clusters={each.name: each for each in clusters},
        endpoints=dict(_endpoints(part("EndpointsConfigDump"))),
        certificates=_certificates(part("SecretsConfigDump")),
        rejected=tuple(_rejected(parts)),
    )


def _node(node: Mapping[str, Any]) -> Node:
    metadata = node.get("metadata") or {}
    proxy = (metadata.get("PROXY_CONFIG") or {}).get("proxyMetadata") or {}
    capture = metadata.get("DNS_CAPTURE") or proxy.get("ISTIO_META_DNS_CAPTURE")
    return Node(
        id=str(node.get("id") or ""),
        pod=str(metadata.get("NAME") or ""),
        namespace=str(metadata.get("NAMESPACE") or ""),
        cluster=str(metadata.get("CLUSTER_ID") or ""),
        network=str(metadata.get("NETWORK") or ""),
        version=str(metadata.get("ISTIO_VERSION") or ""),
        dns_capture=str(capture).lower() == "true",
    )


def _listeners(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in part.get("dynamic_listeners") or ():
        if active := (each.get("active_state") or {}).get("listener"):
            # The name of a listener may stand outside of it only.
            yield {"name": each.get("name"), **active}
    yield from (each["listener"] for each in part.get("static_listeners") or () if "listener" in each)


def _routes(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in part.get("dynamic_route_configs") or ():
        if "route_config" in each:
            yield each["route_config"]


def _clusters(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("static_clusters", "dynamic_active_clusters"):
        yield from (each["cluster"] for each in part.get(kind) or () if "cluster" in each)


def _endpoints(part: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Endpoint, ...]]]:
    for each in part.get("dynamic_endpoint_configs") or ():
        config = each.get("endpoint_config") or {}
        if config.get("cluster_name"):
            yield str(config["cluster_name"]), read_endpoints(config)


def _certificates(part: Mapping[str, Any]) -> Certificates:
    chain: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()
    for each in part.get("dynamic_active_secrets") or ():
        secret = each.get("secret") or {}
        if each.get("name") == "default":
            chain = _pem((secret.get("tls_certificate") or {}).get("certificate_chain") or {})
        elif each.get("name") == "ROOTCA":
            context = secret.get("validation_context") or {}
            # With ISTIO_MULTIROOT_MESH, a trust bundle of every trust domain (Envoy's SPIFFE validator).
            custom = ((context.get("custom_validator_config") or {}).get("typed_config") or {}).get("trust_domains")
            bundles = [domain.get("trust_bundle") or {} for domain in custom or ()]
            roots = tuple(root for bundle in [context.get("trusted_ca") or {}, *bundles] for root in _pem(bundle))
    return Certificates(chain, roots)


def _pem(source: Mapping[str, Any]) -> tuple[x509.Certificate, ...]:
    text = base64.b64decode(source.get("inline_bytes") or "") or str(source.get("inline_string") or "").encode()
    return tuple(x509.load_pem_x509_certificates(text)) if b"BEGIN CERTIFICATE" in text else ()


def _rejected(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    kinds = ("dynamic_listeners", "dynamic_route_configs", "dynamic_active_clusters", "dynamic_endpoint_configs")
    for part in parts.values():
        for kind in (*kinds, "dynamic_warming_clusters"):
            for each in part.get(kind) or ():
                if state := each.get("error_state"):
                    failed = state.get("failed_configuration") or {}
                    name = each.get("name") or failed.get("name") or kind
                    yield f"{name}: {str(state.get('details') or '').strip()}"
