"""A healthy mesh of two clusters as it would be seen, to be changed by each test."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from envoy.endpoint import Endpoint
from health.check import Result, State
from health.checks import CHECKS
from health.examination import examine
from health.live_policy import LivePolicy
from health.observed import (
    Certificate,
    EastWestGateway,
    GatewayHandshake,
    GatewayPod,
    Istiod,
    IstiodSettings,
    NetworkGateway,
    Observed,
    ObservedCluster,
    ProxyTrust,
    Reader,
    RemoteCluster,
    RemoteKubeconfig,
    Trust,
)
from health.proxy import Proxy, Upstream
from policy.world import Service, ServicePort
from topology import load_mesh

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
NAMES = ("cluster1", "cluster2")
HELLO = "outbound|80||hello.sample.svc.cluster.local"
SECRET = "istio-system/istio-remote-clusters"  # noqa: S105 - its name


def declared(**cluster2: Any) -> Any:
    """The mesh as a stack file has it."""
    clusters: list[dict[str, Any]] = [
        {"name": name, "network": f"network{number}", "apiServer": server(number)}
        for number, name in enumerate(NAMES, start=1)
    ]
    clusters[1] |= cluster2
    return load_mesh({"id": "mesh1", "clusters": clusters})


def server(number: int) -> str:
    """Declared URL of a cluster's API server."""
    return f"https://198.51.100.1{number}:6443"


def certificate(name: str, issuer: str, days: float = 700, **given: Any) -> Certificate:
    """A certificate that ends in so many days."""
    begin = NOW - timedelta(days=30)
    return Certificate(f"CN={name}", f"CN={issuer}", f"{name}-print", begin, NOW + timedelta(days=days), **given)


def trust(number: int, root: str = "root", days: float = 700) -> Trust:
    """Trust under a root, by an intermediate of the cluster's own."""
    intermediate = certificate(f"ca{number}", root, days)
    own = certificate(f"istiod{number}", f"ca{number}", 300)
    return Trust((own, intermediate), (certificate(root, root, 3000),))


def istiod(number: int, pod: str = "", status: str = "synced", **given: Any) -> Istiod:
    """An istiod that has read the other cluster so far."""
    peer = NAMES[2 - number]
    remotes = (RemoteCluster(NAMES[number - 1], "", "synced"), RemoteCluster(peer, SECRET, status))
    gateways = (NetworkGateway(f"network{3 - number}", peer, f"198.51.100.{6 + 3 - number}", 15443),)
    made = Istiod(pod or f"istiod-{number}", ready=True, version="1.30.5", remotes=remotes, gateways=gateways)
    return replace(made, **given)


def kubeconfig(peer: int, **given: Any) -> RemoteKubeconfig:
    """What one reads the other cluster by."""
    held = RemoteKubeconfig("istio-remote-clusters", NAMES[peer - 1], server(peer), (f"ca-of-{peer}",))
    return replace(held, token=f"token-in-{peer}", **given) if "token" not in given else replace(held, **given)


def handshake(peer: int, **given: Any) -> GatewayHandshake:
    """What a pod gets of the other cluster's gateway."""
    leaf = certificate("", f"ca{peer}", 1)
    identity = "spiffe://cluster.local/ns/sample/sa/hello"
    made = GatewayHandshake(NAMES[peer - 1], f"198.51.100.{6 + peer}", 15443, True, (leaf,), (identity,))
    return replace(made, **given)


def service(name: str, *ports: tuple[str, int], **given: Any) -> Service:
    """A Service of the namespace sample, with port 80 unless others are given."""
    numbers = tuple(ServicePort(*port) for port in ports or (("http", 80),))
    return replace(Service("sample", name, numbers, {"app": name}), **given)


def proxy(number: int, **given: Any) -> Proxy:
    """A client of the Service hello that both clusters run."""
    peer = 3 - number
    endpoints = (
        Endpoint("10.244.0.7", 8080, workload="hello", namespace="sample", cluster=NAMES[number - 1]),
        Endpoint(f"198.51.100.{6 + peer}", 15443, cluster=NAMES[peer - 1]),
    )
    upstreams = (Upstream(f"198.51.100.{6 + peer}:15443", 20, 1),)
    made = Proxy("client.sample", "sidecar", upstreams=upstreams, endpoints={HELLO: endpoints})
    return replace(made, **given)


def cluster(number: int, **given: Any) -> ObservedCluster:
    """One cluster as it should be, but for what is given."""
    name, peer = NAMES[number - 1], 3 - number
    healthy = ObservedCluster(
        name,
        "v1.36.3",
        clock=0.1 * number,
        settings=IstiodSettings(name, f"network{number}", "mesh1", "cluster.local", 1),
        istiods=(istiod(number),),
        trust=trust(number),
        proxies_trust=(ProxyTrust("gateway.istio-system", trust(number).roots),),
        authority=(f"ca-of-{number}",),
        remote=(kubeconfig(peer),),
        readers=(Reader(NAMES[peer - 1], f"reader-{peer}", NOW, date(2026, 11, 22), None, f"token-in-{number}"),),
        gateway=EastWestGateway(
            "LoadBalancer",
            (f"198.51.100.{6 + number}",),
            (("status-port", 15021), ("tls", 15443)),
            f"network{number}",
            pods=(GatewayPod("gateway", ready=True),),
        ),
        cut_off=(),
        handshakes=(handshake(peer),),
        namespaces={"sample": True, "tools": False},
        services=(service("hello"),),
        unmeshed=(),
        policy=LivePolicy((), compared=0),
        proxies=(proxy(number),),
    )
    return replace(healthy, **given)


def observed(*clusters: ObservedCluster, mesh: Any = None) -> Observed:
    """What was seen; clusters that are not given are healthy."""
    given = {each.name: each for each in clusters}
    both = {name: given.get(name) or cluster(number) for number, name in enumerate(NAMES, start=1)}
    return Observed(mesh or declared(), NOW, both)


def said(facts: Observed, *names: str) -> list[Result]:
    """What checks of these names say (all that those need run too)."""
    chosen = [each for each in CHECKS if each.check.name in _with_needs(set(names))]
    return [result for result in examine(facts, chosen) if result.check.name in names]


def _with_needs(names: set[str]) -> set[str]:
    needed = {need for each in CHECKS if each.check.name in names for need in each.check.needs}
    return names if needed <= names else _with_needs(names | needed)


def wrong(facts: Observed, *names: str) -> list[tuple[str, str]]:
    """Code and place of every finding of checks of these names."""
    return [(result.cause.code, result.where) for result in said(facts, *names) if result.cause]


def states(facts: Observed, *names: str) -> set[State]:
    """The states that results of checks of these names have."""
    return {result.state for result in said(facts, *names)}
