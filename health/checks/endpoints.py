"""SM670: whether clients have gateways, and not pods, as endpoints on other networks."""

from collections.abc import Iterator, Mapping, Sequence

from envoy.endpoint import Endpoint
from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.checks.proxies import nobody
from health.examination import Examined
from health.observed import Observed, Unknown
from health.proxy import Proxy

NAMED = 3

RAW = Cause(
    "SM670",
    "addresses of pods on another network",
    "error",
    symptom="A share of the requests hangs until it times out; with the same pod ranges in both clusters it reaches "
    "whatever pod has that address here",
    cause="istiod gives out the addresses of pods as they are for a network whose gateway it does not know",
    cure="Give that network's gateway an address and the label topology.istio.io/network: `pulumi up --refresh`. "
    "`/debug/networkz` of istiod then lists it",
    source="https://github.com/istio/istio/issues/49412",
)

ENDPOINTS = Check(
    "endpoints",
    "clients have the gateways of other networks as endpoints there, never the addresses of pods",
    (RAW,),
    needs=("api-servers", "istiods", "identity", "gateways", "known-gateways"),
)


def _endpoints(observed: Observed) -> Iterator[Result]:
    networks = {cluster.name: cluster.network for cluster in observed.mesh.clusters}
    for name, cluster in observed.clusters.items():
        if reason := unanswered(cluster) or (cluster.proxies.reason if isinstance(cluster.proxies, Unknown) else ""):
            yield skipped(ENDPOINTS, reason, name)
        elif not isinstance(cluster.proxies, Unknown):
            asked = [proxy for proxy in cluster.proxies if proxy.endpoints]
            raw = list(_raw(name, asked, networks))
            if asked:
                services = len({host for proxy in asked for host in proxy.endpoints})
                yield from raw or [ok(ENDPOINTS, name, message=f"{services} Services in {len(asked)} proxies")]
            else:
                yield nobody(ENDPOINTS, name, cluster.proxies)


def _raw(name: str, proxies: Sequence[Proxy], networks: Mapping[str, str]) -> Iterator[Result]:
    own = networks.get(name)
    pods: dict[str, dict[str, None]] = {}
    clients: dict[str, dict[str, None]] = {}
    for proxy in proxies:
        for cluster, endpoints in proxy.endpoints.items():
            for each in endpoints:
                # A gateway stands for many workloads, so istiod names none.
                if each.workload and networks.get(each.cluster, own) != own:
                    pods.setdefault(each.cluster, {})[_said(cluster, each)] = None
                    clients.setdefault(each.cluster, {})[proxy.proxy] = None
    for peer, said in pods.items():
        more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
        who = f"{'proxies' if len(clients[peer]) > 1 else 'proxy'} {', '.join(clients[peer])}"
        what = f"pods of {peer} in {networks[peer]} as endpoints: {', '.join(list(said)[:NAMED])}{more}"
        yield found(ENDPOINTS, RAW, f"of those asked, {who} of {name}: {what}", name, peer)


def _said(cluster: str, endpoint: Endpoint) -> str:
    _, port, _, host = cluster.split("|", 3)
    return f"{endpoint} of {host}:{port}"


EXAMINED = (Examined(ENDPOINTS, _endpoints),)
