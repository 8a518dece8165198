"""The listeners of a proxy's configuration: which connections it takes, and what it does with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envoy.cluster import TLS_SOCKET, name_matches
from envoy.route import RouteConfiguration, read_route_configuration

HTTP = "envoy.filters.network.http_connection_manager"
TCP = "envoy.filters.network.tcp_proxy"
RBAC = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")
FILE_LOG = "envoy.access_loggers.file"


@dataclass(frozen=True)
class Authorization:
    """One filter of AuthorizationPolicies.

    Attributes:
        action: ``ALLOW`` or ``DENY``.
        policies: names of its rules, as ``ns[sample]-policy[only-gateway]-rule[0]``. An ``ALLOW`` without any refuses
            every request.
        refuses_all: whether no request at all passes it.
    """

    action: str
    policies: tuple[str, ...]
    refuses_all: bool = False


@dataclass(frozen=True)
class DownstreamTls:
    """TLS that a filter chain ends.

    Attributes:
        client_certificate: whether clients have to show a certificate.
        sans: names of which the client's certificate has to have one.
        certificate: name of the secret that it shows; a file's name where it is one.
    """

    client_certificate: bool
    sans: tuple[tuple[str, str], ...] = ()
    certificate: str = ""


@dataclass(frozen=True)
class FilterChain:
    """What a listener does with some of its connections.

    Attributes:
        name: its name.
        port: the original destination port that it is for; 0: any.
        transport: ``tls``, ``raw_buffer`` or empty: any.
        alpn: application protocols that it is for; empty: any.
        server_names: SNIs that it is for; empty: any.
        tls: TLS that it ends; None: it passes bytes on as they come.
        http: whether it reads HTTP.
        route_name: name of the route configuration that it asks for.
        routes: the route configuration that stands in it.
        cluster: cluster of all its connections where it does not read HTTP.
        authorizations: AuthorizationPolicies that it enforces.
        filters: names of its HTTP filters.
        access_log: formats of its access logs that go to a file; empty: there is none.
    """

    name: str
    port: int = 0
    transport: str = ""
    alpn: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    tls: DownstreamTls | None = None
    http: bool = False
    route_name: str = ""
    routes: RouteConfiguration | None = None
    cluster: str = ""
    authorizations: tuple[Authorization, ...] = ()
    filters: tuple[str, ...] = ()
    access_log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listener:
    """One listener.

    Attributes:
        name: its name: ``0.0.0.0_5000``, ``virtualInbound``.
        address: address it stands for.
        port: likewise.
        direction: ``OUTBOUND``, ``INBOUND`` or empty.
        chains: its filter chains.
        default: what it does with connections that no chain is for; None: it closes them.
    """

    name: str
    address: str
    port: int
    direction: str
    chains: tuple[FilterChain, ...]
    default: FilterChain | None = None

    def chain_of_sni(self, sni: str) -> FilterChain | None:
        """The chain of a TLS connection that asks for a server name: exact, then wildcards, longest first."""
        best: FilterChain | None = None
        length = -1
        for chain in self.chains:
            for name in chain.server_names:
                wild = name.startswith("*.") and sni.endswith(name[1:])
                if (name == sni or wild) and (len(name) + (10_000 if name == sni else 0)) > length:
                    best, length = chain, len(name) + (10_000 if name == sni else 0)
        return best or next((c for c in self.chains if not c.server_names and c.transport in ("", "tls")), self.default)


def read_listener(body: Mapping[str, Any]) -> Listener:
    """A listener of a config_dump.

    Args:
        body: ``envoy.config.listener.v3.Listener`` as JSON.
    """
    socket = (body.get("address") or {}).get("socket_address") or {}
    default = body.get("default_filter_chain")
    return Listener(
        name=str(body.get("name") or ""),
        address=str(socket.get("address") or ""),
        port=int(socket.get("port_value") or 0),
        direction=str(body.get("traffic_direction") or ""),
        chains=tuple(_chain(chain) for chain in body.get("filter_chains") or ()),
        default=_chain(default) if default else None,
    )


def _chain(body: Mapping[str, Any]) -> FilterChain:
    match = body.get("filter_chain_match") or {}
    filters = body.get("filters") or ()
    http, tcp = _config(filters, HTTP), _config(filters, TCP)
    inner = (http or {}).get("http_filters") or ()
    routes = (http or {}).get("route_config")
    return FilterChain(
        name=str(body.get("name") or ""),
        port=int(match.get("destination_port") or 0),
        transport=str(match.get("transport_protocol") or ""),
        alpn=tuple(map(str, match.get("application_protocols") or ())),
        server_names=tuple(map(str, match.get("server_names") or ())),
        tls=_tls(body.get("transport_socket")),
        http=http is not None,
        route_name=str(((http or {}).get("rds") or {}).get("route_config_name") or ""),
        routes=read_route_configuration(routes) if routes else None,
        cluster=_cluster(tcp or {}),
        authorizations=tuple(_authorization(f) for f in [*filters, *inner] if f.get("name") in RBAC and _rules(f)),
        filters=tuple(str(f.get("name")) for f in inner),
        access_log=_formats((http or tcp or {}).get("access_log") or ()),
    )


def _config(filters: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return next((each.get("typed_config") or {} for each in filters if each.get("name") == name), None)


def _cluster(tcp: Mapping[str, Any]) -> str:
    weighted = (tcp.get("weighted_clusters") or {}).get("clusters") or ()
    return str(tcp.get("cluster") or (weighted[0].get("name") if weighted else ""))


def _rules(body: Mapping[str, Any]) -> Mapping[str, Any]:
    # Dry-run policies stand in shadow_rules, and refuse nothing.
    return (body.get("typed_config") or {}).get("rules") or {}


def _authorization(body: Mapping[str, Any]) -> Authorization:
    rules = _rules(body)
    action, policies = str(rules.get("action") or "ALLOW"), rules.get("policies") or {}
    judged = [_match(policy) for policy in policies.values()]
    refuses = all(verdict is False for verdict in judged) if action == "ALLOW" else True in judged
    return Authorization(action, tuple(map(str, policies)), refuses and action in ("ALLOW", "DENY"))


def _match(policy: Mapping[str, Any]) -> bool | None:
    """Whether a policy fits every request (True), none (False), or some (None)."""
    permissions = [_always(each) for each in policy.get("permissions") or ()]
    principals = [_always(each) for each in policy.get("principals") or ()]
    sides = (_either(permissions), _either(principals))
    if False in sides:
        return False
    return True if sides == (True, True) else None


def _either(verdicts: Sequence[bool | None]) -> bool | None:
    if True in verdicts:
        return True
    return False if all(verdict is False for verdict in verdicts) else None


def _always(rule: Mapping[str, Any]) -> bool | None:
    if rule.get("any") is True:
        return True
    for negated in ("not_rule", "not_id"):
        if negated in rule:
            inner = _always(rule[negated])
            return None if inner is None else not inner
    for both in ("and_rules", "and_ids"):
        if both in rule:
            inner_all = [_always(each) for each in rule[both].get("rules") or rule[both].get("ids") or ()]
            if False in inner_all:
                return False
            return True if all(inner_all) else None
    for one in ("or_rules", "or_ids"):
        if one in rule:
            return _either([_always(each) for each in rule[one].get("rules") or rule[one].get("ids") or ()])
    return None


def _tls(socket: Mapping[str, Any] | None) -> DownstreamTls | None:
    if not socket or socket.get("name") != TLS_SOCKET:
        return None
    config = socket.get("typed_config") or {}
    context = config.get("common_tls_context") or {}
    combined = (context.get("combined_validation_context") or {}).get("default_validation_context")
    secrets = context.get("tls_certificate_sds_secret_configs") or ()
    files = context.get("tls_certificates") or ()
    shown = secrets[0].get("name") if secrets else _file(files[0]) if files else ""
    return DownstreamTls(
        client_certificate=bool(config.get("require_client_certificate")),
        sans=tuple(name_matches(combined or context.get("validation_context") or {})),
        certificate=str(shown or ""),
    )


def _file(certificate: Mapping[str, Any]) -> str:
    return str((certificate.get("certificate_chain") or {}).get("filename") or "inline")


def _formats(logs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(_format(log.get("typed_config") or {}) for log in logs if log.get("name") == FILE_LOG)


def _format(config: Mapping[str, Any]) -> str:
    chosen = config.get("log_format") or {}
    if "json_format" in chosen:
        return "json"
    return str((chosen.get("text_format_source") or {}).get("inline_string") or "default")
