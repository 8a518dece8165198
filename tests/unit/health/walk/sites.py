"""Two clusters on two networks with helloworld, as the recorded proxies saw them."""

from dataclasses import replace
from typing import Any

from envoy.cluster import Cluster, SocketMatch, UpstreamTls
from envoy.endpoint import Endpoint
from health.walk.asked import Asked
from health.walk.destination import Gateway
from health.walk.facts import Pod, Policy, Port, Proxy, Service, Site
from tests.unit.envoy.recordings import HOST, config

SERVICE = Service("sample", "helloworld", ("10.96.82.203",), (Port("http", 5000, 5000),), {"app": "helloworld"})
CLIENT = Pod("cluster1", "sample", "sleep-1", "10.244.0.5", {"app": "sleep"}, account="sleep")
SERVER = Pod("cluster2", "sample", "helloworld-v2-1", "10.244.0.4", {"app": "helloworld", "version": "v2"})
LOCAL = Pod("cluster1", "sample", "helloworld-v1-1", "10.244.0.6", {"app": "helloworld", "version": "v1"})
GATEWAY_POD = Pod("cluster2", "istio-system", "istio-eastwestgateway-1", "10.244.0.6")
GATEWAYS = [Gateway("198.51.100.64", "cluster1", "network1"), Gateway("198.51.100.80", "cluster2", "network2")]
HERE = Site("cluster1", "network1", SERVICE, (LOCAL,))
THERE = Site("cluster2", "network2", SERVICE, (SERVER,))
HELLO = Asked("helloworld", 5000, "/hello")
TLS = UpstreamTls("outbound_.5000_._." + HOST, (), ("istio",), "default", "ROOTCA")


def client() -> Proxy:
    """The client's proxy."""
    return Proxy(CLIENT, config("client"))


def gateway() -> Proxy:
    """The proxy of cluster2's gateway."""
    return Proxy(GATEWAY_POD, config("gateway"))


def server() -> Proxy:
    """The server's proxy."""
    return Proxy(SERVER, config("server"))


def with_cluster(proxy: Proxy, name: str, *endpoints: Endpoint, tls: UpstreamTls | None = TLS) -> Proxy:
    """The proxy with a cluster more, or other endpoints of one that it has."""
    cluster = Cluster(name, "EDS", name, matches=(SocketMatch({"tlsMode": "istio"}, tls),), tls=None)
    known = replace(
        proxy.config,
        clusters={**proxy.config.clusters, name: cluster},
        endpoints={**proxy.config.endpoints, name: endpoints},
    )
    return replace(proxy, config=known)


def policy(kind: str, name: str, file: str = "policies/hello.yaml", namespace: str = "sample", **spec: Any) -> Policy:
    """An object of policy."""
    return Policy(kind, namespace, name, spec, file)


def subsets(name: str, *versions: str, host: str = HOST) -> Policy:
    """A DestinationRule with subsets by version."""
    return policy("DestinationRule", name, host=host, subsets=[{"name": v, "labels": {"version": v}} for v in versions])
