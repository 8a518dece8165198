"""The routes of a proxy's configuration, and which of them takes a request."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from envoy.origin import Origin, origin

FAULT = "envoy.filters.http.fault"


@dataclass(frozen=True)
class Request:
    """A request, as a route sees it.

    Attributes:
        authority: host of the URL, with or without its port.
        path: with its query.
        method: HTTP method.
        headers: by lower-case name.
    """

    authority: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightedCluster:
    """A cluster that requests of a route go to, and its share of all weights, 0 to 1."""

    name: str
    share: float


@dataclass(frozen=True)
class Route:
    """One route.

    Attributes:
        name: as the VirtualService names it, or ``default``.
        match: ``RouteMatch`` as JSON.
        clusters: where its requests go; empty where it answers itself.
        direct: status of its own answer, or of a redirect; 0: none.
        origin: the VirtualService that it was made from; None: there is none.
        fault: what a fault injection of it does, for example ``abort 100 % by 503``; empty: nothing.
        body: the whole route as JSON.
    """

    name: str
    match: Mapping[str, Any]
    clusters: tuple[WeightedCluster, ...] = ()
    direct: int = 0
    origin: Origin | None = None
    fault: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def takes(self, request: Request) -> bool | None:
        """Whether it takes a request; None where that depends on what a request alone does not tell."""
        verdicts = list(_verdicts(self.match, request))
        if False in verdicts:
            return False
        return None if None in verdicts else True

    @property
    def condition(self) -> str:
        """What it asks of a request, in words."""
        return ", ".join(_words(self.match))


@dataclass(frozen=True)
class VirtualHost:
    """Routes of some hosts; the first that takes a request counts."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class RouteConfiguration:
    """All routes of a port."""

    name: str
    hosts: tuple[VirtualHost, ...]
    ignore_port: bool = True

    def host_of(self, authority: str) -> VirtualHost | None:
        """The virtual host of an authority: exact, then ``*.suffix``, then ``prefix.*``, longest first, then ``*``.

        https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto (domains)

        Args:
            authority: as the client sends it.
        """
        name = authority.lower()
        if self.ignore_port:
            name = re.sub(r":\d+$", "", name)
        best: tuple[int, int] | None = None
        found = None
        for host in self.hosts:
            for domain in host.domains:
                rank = _rank(domain.lower(), name)
                if rank is not None and (best is None or rank > best):
                    best, found = rank, host
        return found


def _rank(domain: str, name: str) -> tuple[int, int] | None:
    if domain == name:
        return 3, len(domain)
    if domain == "*":
        return 0, 0
    if domain.startswith("*") and name.endswith(domain[1:]) and len(name) > len(domain) - 1:
        return 2, len(domain)
    if domain.endswith("*") and name.startswith(domain[:-1]) and len(name) > len(domain) - 1:
        return 1, len(domain)
    return None


def read_route_configuration(body: Mapping[str, Any]) -> RouteConfiguration:
    """A route configuration of a config_dump, or one that stands in a listener.

    Args:
        body: ``envoy.config.route.v3.RouteConfiguration`` as JSON.
    """
    hosts = tuple(
        VirtualHost(
            str(host.get("name") or ""),
            tuple(map(str, host.get("domains") or ())),
            tuple(_route(route) for route in host.get("routes") or ()),
        )
        for host in body.get("virtual_hosts") or ()
    )
    return RouteConfiguration(str(body.get("name") or ""), hosts, bool(body.get("ignore_port_in_host_matching")))


def _route(body: Mapping[str, Any]) -> Route:
    action = body.get("route") or {}
    direct = (body.get("direct_response") or {}).get("status") or (301 if "redirect" in body else 0)
    return Route(
        name=str(body.get("name") or ""),
        match=body.get("match") or {},
        clusters=_clusters(action),
        direct=int(direct),
        origin=origin(body.get("metadata")),
        fault=_fault((body.get("typed_per_filter_config") or {}).get(FAULT) or {}),
        body=body,
    )


def _clusters(action: Mapping[str, Any]) -> tuple[WeightedCluster, ...]:
    if "cluster" in action:
        return (WeightedCluster(str(action["cluster"]), 1.0),)
    weighted = [(str(e["name"]), int(e.get("weight") or 0)) for e in _weighted(action)]
    total = sum(weight for _, weight in weighted) or 1
    return tuple(WeightedCluster(name, weight / total) for name, weight in weighted)


def _weighted(action: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (action.get("weighted_clusters") or {}).get("clusters") or ()


def _fault(config: Mapping[str, Any]) -> str:
    said = []
    for kind in ("delay", "abort"):
        if kind in config:
            share = config[kind].get("percentage") or {}
            hundred = {"HUNDRED": 1, "TEN_THOUSAND": 100, "MILLION": 10_000}[share.get("denominator") or "HUNDRED"]
            what = config[kind].get("fixed_delay") or config[kind].get("http_status") or config[kind].get("grpc_status")
            said.append(f"{kind} {share.get('numerator', 0) / hundred:g} % by {what}")
    return ", ".join(said)


def _verdicts(match: Mapping[str, Any], request: Request) -> Iterator[bool | None]:
    split = urlsplit(request.path)
    path, fold = split.path or "/", match.get("case_sensitive") is False
    yield _path(match, path.lower() if fold else path, fold)
    headers = {":method": request.method, ":path": request.path, ":authority": request.authority}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    for each in match.get("headers") or ():
        yield _named(each, headers.get(str(each["name"]).lower()))
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    for each in match.get("query_parameters") or ():
        yield _named(each, query.get(str(each["name"])))
    if match.get("dynamic_metadata") or match.get("tls_context") or match.get("grpc"):
        # Claims of a token, the client's certificate: other filters know, a request does not tell.
        yield None


def _path(match: Mapping[str, Any], path: str, fold: bool) -> bool:
    if "path" in match:
        return path == _folded(match["path"], fold)
    if "prefix" in match:
        return path.startswith(_folded(match["prefix"], fold))
    if "path_separated_prefix" in match:
        prefix = _folded(match["path_separated_prefix"], fold)
        return path == prefix or path.startswith(prefix + "/")
    if "safe_regex" in match:
        return _regex(match["safe_regex"], path)
    return "path_match_policy" not in match


def _folded(text: object, fold: bool) -> str:
    return str(text).lower() if fold else str(text)


def _regex(expression: Mapping[str, Any], text: str) -> bool:
    return re.fullmatch(str(expression.get("regex") or ""), text) is not None


def _named(match: Mapping[str, Any], value: str | None) -> bool:
    """A header or a query parameter against its match."""
    if "present_match" in match:
        verdict = (value is not None) == bool(match["present_match"])
    elif value is None:
        # Inverted matches take a request without the header too, unless a value has to be judged.
        return bool(match.get("invert_match")) and not match.get("treat_missing_header_as_empty")
    elif "string_match" in match:
        verdict = _string(match["string_match"], value)
    elif "exact_match" in match:
        verdict = value == match["exact_match"]
    elif "safe_regex_match" in match:
        verdict = _regex(match["safe_regex_match"], value)
    elif "prefix_match" in match:
        verdict = value.startswith(str(match["prefix_match"]))
    else:
        verdict = True
    return verdict != bool(match.get("invert_match"))


def _string(match: Mapping[str, Any], value: str) -> bool:
    fold = bool(match.get("ignore_case"))
    value = value.lower() if fold else value
    for kind, judge in (
        ("exact", value.__eq__),
        ("prefix", value.startswith),
        ("suffix", value.endswith),
        ("contains", value.__contains__),
    ):
        if kind in match:
            return bool(judge(_folded(match[kind], fold)))
    return _regex(match.get("safe_regex") or {}, value)


def _words(match: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("path", "prefix", "path_separated_prefix"):
        if kind in match:
            yield f"{kind} {match[kind]}"
    if "safe_regex" in match:
        yield f"path ~ {match['safe_regex'].get('regex')}"
    for where, key in (("header", "headers"), ("query parameter", "query_parameters")):
        for each in match.get(key) or ():
            text = each.get("string_match") or {k: v for k, v in each.items() if k != "name"}
            told = " ".join(f"{k} {v.get('regex') if isinstance(v, Mapping) else v}" for k, v in text.items())
            yield f"{where} {each['name']} {'not ' if each.get('invert_match') else ''}{told}"
