"""Single proxies asked at Envoy's admin port: what they refuse, whom they reach, and which endpoints they have."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from envoy.config_dump import read_config_dump
from envoy.endpoint import Endpoint, read_endpoints
from health.observed import ProxySync, ProxyTrust
from health.proxy import Door, Proxy, Rejected, Upstream
from live.kubeconfig import ClusterAccess
from live.observed.certificates import facts
from live.pods.port import ENVOY_ADMIN, PodHttp, PodPortError, pod_http

# /clusters says twenty lines of every endpoint; all Services share their gateways, so a part of it says enough.
BYTES = 16_000_000
MOMENT = 1.0
HOST = re.compile(r"^[^:]+::(?P<address>.+:\d+)::(?P<name>cx_total|cx_connect_fail|health_flags)::(?P<value>.*)$")
EJECTED = "failed_outlier_check"
# By xDS type, the list of the configuration dump that holds what was refused last.
LISTS = {
    "LDS": "dynamic_listeners",
    "RDS": "dynamic_route_configs",
    "CDS": "dynamic_active_clusters",
    "EDS": "dynamic_endpoint_configs",
}
DOOR = "listener.0.0.0.0_15443."
REFUSED = {"LDS": "listener_manager.lds.update_rejected", "CDS": "cluster_manager.cds.update_rejected"}


@dataclass(frozen=True)
class Question:
    """What one proxy is asked.

    Attributes:
        sync: the proxy, as istiod knows it.
        hosts: full hosts of Services whose endpoints are wanted.
        gateways: ``host:port`` of gateways of other networks: how it fares with them is wanted.
    """

    sync: ProxySync
    hosts: tuple[str, ...] = ()
    gateways: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """What one proxy said.

    Attributes:
        proxy: of its configuration.
        trust: of its certificates; None: it did not answer.
    """

    proxy: Proxy
    trust: ProxyTrust | None = None


def ask(access: ClusterAccess, question: Question) -> Answer:
    """Ask one proxy; one that does not answer says why.

    Args:
        access: its cluster.
        question: the proxy, and what it is asked.
    """
    sync = question.sync
    name, _, namespace = sync.proxy.partition(".")
    try:
        with pod_http(access, name, namespace, ENVOY_ADMIN) as http:
            rejected = tuple(_rejected(http, sync))
            endpoints = _endpoints(http, question.hosts) if question.hosts else {}
            capture = _dns_capture(http) if sync.type == "sidecar" else False
            held = trust(http, sync.proxy)
            door = _door(http) if sync.type == "router" else None
        upstreams = _upstreams(access, name, namespace, question.gateways) if question.gateways else ()
    except PodPortError as error:
        return Answer(Proxy(sync.proxy, sync.type, problem=str(error)))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # What one proxy of another version answers must not hide what the others say.
        problem = f"{sync.proxy} gave what cannot be read: {type(error).__name__}: {error}"
        return Answer(Proxy(sync.proxy, sync.type, problem=problem))
    return Answer(Proxy(sync.proxy, sync.type, rejected, upstreams, endpoints, capture, door), held)


def trust(http: PodHttp, proxy: str) -> ProxyTrust:
    """What a proxy trusts and shows.

    Args:
        http: its admin port.
        proxy: ``pod.namespace``.

    Raises:
        PodPortError: it does not answer.
    """
    secrets = http.json("/config_dump?resource=dynamic_active_secrets").get("configs") or []
    part = {"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": secrets}
    held = read_config_dump({"configs": [part]}).certificates
    return ProxyTrust(proxy, tuple(map(facts, held.roots)), tuple(map(facts, held.chain)))


def _rejected(http: PodHttp, sync: ProxySync) -> Iterator[Rejected]:
    """What istiod says was refused and what the proxy says of it; of Istio 1.22, which does not say, what is behind."""
    behind = [kind for kind, state in sync.states.items() if state in ("REJECTED", "STALE")]
    for kind in behind:
        dump = http.json(f"/config_dump?resource={LISTS[kind]}&mask=error_state.details") if kind in LISTS else {}
        details = [
            str(each["error_state"].get("details") or "") for each in dump.get("configs") or () if "error_state" in each
        ]
        reasons = [sync.errors[kind]] if sync.errors.get(kind) else details
        if reasons or sync.states[kind] == "REJECTED" or _count(http, REFUSED.get(kind, "")):
            yield Rejected(kind, "; ".join(dict.fromkeys(reason.strip() for reason in reasons)))


def _count(http: PodHttp, name: str) -> int:
    if not name:
        return 0
    said = http.text(f"/stats?filter={quote(f'^{re.escape(name)}$')}").rpartition(": ")[2].strip()
    return int(said) if said.isdigit() else 0


def _door(http: PodHttp) -> Door | None:
    first = _door_counts(http)
    if "downstream_cx_overflow" not in first:
        # A gateway for other traffic, or one of before its statistics were asked for.
        return None
    over = first["downstream_cx_overflow"]
    if over:
        # Whether it is so now, or was once.
        time.sleep(MOMENT)
    now = _door_counts(http) if over else first
    held = now.get("downstream_cx_active", 0) + now.get("downstream_pre_cx_active", 0)
    last = now["downstream_cx_overflow"]
    return Door(held, last, now.get("no_filter_chain_match", 0), max(0, last - over))


def _door_counts(http: PodHttp) -> dict[str, int]:
    lines = http.text(f"/stats?filter={quote(f'^{re.escape(DOOR)}[a-z_]+$')}").splitlines()
    found = (line.removeprefix(DOOR).partition(": ") for line in lines)
    return {name: int(value) for name, _, value in found if value.isdigit()}


def _endpoints(http: PodHttp, hosts: Sequence[str]) -> Mapping[str, tuple[Endpoint, ...]]:
    chosen = "|".join(map(re.escape, hosts))
    pattern = quote(rf"^outbound\|[0-9]+\|\|({chosen})$", safe="")
    said = http.json(f"/config_dump?include_eds&resource=dynamic_endpoint_configs&name_regex={pattern}")
    assignments = [each.get("endpoint_config") or {} for each in said.get("configs") or ()]
    return {str(each["cluster_name"]): read_endpoints(each) for each in assignments if each.get("cluster_name")}


def _dns_capture(http: PodHttp) -> bool:
    metadata = (http.json("/server_info").get("node") or {}).get("metadata") or {}
    own = (metadata.get("PROXY_CONFIG") or {}).get("proxyMetadata") or {}
    return str(metadata.get("DNS_CAPTURE") or own.get("ISTIO_META_DNS_CAPTURE")).lower() == "true"


@dataclass
class _Counts:
    connections: int = 0
    failed: int = 0
    ejected: int = 0


@dataclass
class _Look:
    """What /clusters says of gateways' addresses."""

    gateways: frozenset[str]
    of: dict[str, _Counts] = field(default_factory=lambda: defaultdict(_Counts))

    def take(self, line: str) -> None:
        if (match := HOST.match(line.rstrip("\n"))) and match["address"] in self.gateways:
            counts = self.of[match["address"]]
            match match["name"]:
                case "cx_total":
                    counts.connections += int(match["value"])
                case "cx_connect_fail":
                    counts.failed += int(match["value"])
                case _:
                    counts.ejected += EJECTED in match["value"]


def _upstreams(access: ClusterAccess, name: str, namespace: str, gateways: frozenset[str]) -> tuple[Upstream, ...]:
    first = _look(access, name, namespace, gateways)
    failing = any(counts.failed for counts in first.values())
    if failing:
        # Whether it fails now, or did once.
        time.sleep(MOMENT)
    second = _look(access, name, namespace, gateways) if failing else first
    return tuple(
        Upstream(
            address,
            now.connections,
            now.failed,
            max(0, now.connections - first[address].connections),
            max(0, now.failed - first[address].failed),
            now.ejected,
        )
        for address, now in second.items()
    )


def _look(access: ClusterAccess, name: str, namespace: str, gateways: frozenset[str]) -> dict[str, _Counts]:
    look = _Look(gateways)
    with pod_http(access, name, namespace, ENVOY_ADMIN) as http:
        for line in http.lines("/clusters", BYTES):
            look.take(line)
    return look.of
