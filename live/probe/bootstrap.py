"""What the probe's Envoys are told: a server, a client of the mesh, and one that stands outside the mesh.

All of them are the cluster's own proxy image with a static configuration, because it is the one image that every
cluster of a mesh can pull, and it has no shell: https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/bootstrap
"""

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

SERVER_PORT = 8080
SERVER_ADMIN_PORT = 9901
CLIENT_ADMIN_PORT = 9902
OUTSIDE_ADMIN_PORT = 9903
# Reached by port-forward only: they listen on 127.0.0.1.
CLIENT_PORT = 18080
PLAIN_TEXT_PORT = 18081
FIRST_TUNNEL_PORT = 20000
EAST_WEST_PORT = 15443
REQUEST_SECONDS = 5
CONNECT_SECONDS = 3
CLUSTER, POD, PEER, MICROSECONDS = "x-probe-cluster", "x-probe-pod", "x-probe-peer", "x-probe-microseconds"
# Percent of the requests that the server answers by 503, also kubelet's: set by a drill at its admin port.
DOWN = "probe.down"
# Whole milliseconds, for an Envoy that cannot say it more exactly.
MILLISECONDS = "x-probe-milliseconds"
# %COMMON_DURATION% came with Envoy 1.31 (envoy#33240), the proxy of Istio 1.23.
FINE_DURATIONS_SINCE = (1, 23)

TYPES = "type.googleapis.com/envoy"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
Json = dict[str, Any]


def server(cluster: str) -> str:
    """Bootstrap of the server: it answers every request by its cluster, its pod, and the peer that its proxy proved.

    Args:
        cluster: Istio's name of its cluster.
    """
    answered = {CLUSTER: cluster, POD: "%HOSTNAME%", PEER: "%REQ(X-FORWARDED-CLIENT-CERT)%"}
    share = {"default_value": {"numerator": 0}, "runtime_key": DOWN}
    down = {"match": {"prefix": "/", "runtime_fraction": share}, **_answer(503, "down")}
    routes = [down, {"match": {"prefix": "/"}, **_answer(200, "ok")}]
    listener = _http("server", "0.0.0.0", SERVER_PORT, routes, answered)  # noqa: S104 - of the pod
    return _bootstrap(SERVER_ADMIN_PORT, [listener], [])


def client(host: str, address: str, istio: tuple[int, int]) -> str:
    """Bootstrap of the client: it passes each request on over a new connection, and says how long the answer took.

    Args:
        host: host and port of the Service, as the mesh knows it.
        address: the Service's IP address, so that no DNS is between the probe and what it is to show.
        istio: Istio version of the cluster, which tells what its Envoy can say.
    """
    fine = istio >= FINE_DURATIONS_SINCE
    name = MICROSECONDS if fine else MILLISECONDS
    took = "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%" if fine else "%RESPONSE_DURATION%"
    return _bootstrap(
        CLIENT_ADMIN_PORT,
        [_http("client", "127.0.0.1", CLIENT_PORT, [_to("service", host)], {name: took})],
        [_cluster("service", address, SERVER_PORT)],
    )


def outside(host: str, address: str, gateways: Mapping[str, Sequence[str]]) -> tuple[str, dict[int, tuple[str, str]]]:
    """Bootstrap of the one without a sidecar: plain text to the Service, and a tunnel to each gateway address.

    Args:
        host: host and port of the Service.
        address: the Service's IP address.
        gateways: by cluster, addresses or host names of its east-west gateway.

    Returns:
        The bootstrap, and by port of each tunnel the cluster and the address that it leads to.
    """
    listeners = [_http("plain-text", "127.0.0.1", PLAIN_TEXT_PORT, [_to("service", host)], {})]
    clusters = [_cluster("service", address, SERVER_PORT)]
    tunnels = {}
    ends = [(cluster, end) for cluster, ends in gateways.items() for end in ends]
    for port, (cluster, end) in enumerate(ends, FIRST_TUNNEL_PORT):
        name = tunnel_name(port)
        tunnels[port] = (cluster, end)
        proxy = _filter("network.tcp_proxy.v3.TcpProxy", "tcp_proxy", {"stat_prefix": name, "cluster": name})
        listeners.append(_listener(name, "127.0.0.1", port, proxy))
        clusters.append(_cluster(name, end, EAST_WEST_PORT))
    return _bootstrap(OUTSIDE_ADMIN_PORT, listeners, clusters), tunnels


def tunnel_name(port: int) -> str:
    """Name of a tunnel's listener and cluster."""
    return f"tunnel-{port}"


def _answer(status: int, text: str) -> Json:
    return {"direct_response": {"status": status, "body": {"inline_string": text}}}


def _bootstrap(admin: int, listeners: list[Json], clusters: list[Json]) -> str:
    return json.dumps(
        {
            "node": {"id": "probe", "cluster": "probe"},
            "admin": {"address": _address("127.0.0.1", admin)},
            "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        }
    )


def _address(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def _listener(name: str, address: str, port: int, chain: Json) -> Json:
    return {"name": name, "address": _address(address, port), "filter_chains": [{"filters": [chain]}]}


def _filter(kind: str, name: str, content: Json) -> Json:
    kind = f"{TYPES}.extensions.filters.{kind}"
    return {"name": f"envoy.filters.network.{name}", "typed_config": {"@type": kind, **content}}


def _http(name: str, address: str, port: int, routes: list[Json], headers: Mapping[str, str]) -> Json:
    router = {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"}
    added = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in headers.items()
    ]
    manager = {
        "stat_prefix": name,
        # Else it would drop the header by which the sidecar says who the client is.
        "forward_client_cert_details": "ALWAYS_FORWARD_ONLY",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [{**each, "response_headers_to_add": added} for each in routes],
                }
            ]
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    kind = "network.http_connection_manager.v3.HttpConnectionManager"
    return _listener(name, address, port, _filter(kind, "http_connection_manager", manager))


def _to(cluster: str, host: str) -> Json:
    target = {"cluster": cluster, "host_rewrite_literal": host, "timeout": f"{REQUEST_SECONDS}s"}
    return {"match": {"prefix": "/"}, "route": target}


def _cluster(name: str, address: str, port: int) -> Json:
    try:
        ip_address(address)
        kind: Json = {"type": "STATIC"}
    except ValueError:
        kind = {"type": "STRICT_DNS", "dns_refresh_rate": "1s", "respect_dns_ttl": False}
    options: Json = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"max_requests_per_connection": 1},
    }
    endpoint = {"endpoint": {"address": _address(address, port)}}
    return {
        "name": name,
        **kind,
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "typed_extension_protocol_options": {OPTIONS: options},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
