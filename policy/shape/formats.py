"""Names, addresses and expressions as istiod understands them, after istio/istio, pkg/config/{labels,host,security}."""

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import cel

LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
WILDCARD_LABEL = re.compile(rf"\*|(?:\*|\*-)?{LABEL.pattern}")
QUALIFIED = r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_KEY = re.compile(rf"({LABEL.pattern}(?:\.{LABEL.pattern})*/)?{QUALIFIED}")
LABEL_VALUE = re.compile(f"({QUALIFIED})?")
HEADER = re.compile(r"[!#$%&'*+\-.^_`|~A-Za-z0-9]+")
PSEUDO_HEADERS = {":method", ":scheme", ":authority", ":path", ":status"}
CLAIM = "@request.auth.claims"
PROTOCOLS = {"tcp", "udp", "grpc", "grpc-web", "http", "http_proxy", "http2", "https", "tls", "mongo", "redis", "mysql"}
HTTP = {"http", "http2", "http_proxy", "grpc", "grpc-web"}
TLS = {"https", "tls"}
UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
DURATION = re.compile(r"([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0)")
PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
LONGEST_NAME, LONGEST_LABEL = 255, 63
RETRY_ON = frozenset(
    {"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream"}
    | {"retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled"}
    | {"deadline-exceeded", "internal", "resource-exhausted", "unavailable"}
)
GRPC_STATUS = frozenset(
    {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"}
    | {"PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"}
    | {"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
IP_ATTRIBUTES = {"source.ip", "remote.ip", "destination.ip"}
ATTRIBUTES = IP_ATTRIBUTES | {
    "source.namespace",
    "source.serviceAccount",
    "source.principal",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.port",
    "connection.sni",
}
KEYED_ATTRIBUTES = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")
TYPE_URL = re.compile(r"\S*/[A-Za-z_][\w.]*\.\w+|[a-z]\w*(\.\w+)+")
PATH_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")


def is_label(text: str) -> bool:
    """A DNS label; istiod takes capitals."""
    return len(text) <= LONGEST_LABEL and LABEL.fullmatch(text) is not None


def is_fqdn(text: str) -> bool:
    """Labels with dots between them; the last not a number, and empty where the name ends with a dot."""
    if not 0 < len(text) <= LONGEST_NAME:
        return False
    labels = text.split(".")
    if re.fullmatch(r"[+-]?\d+", labels[-1]):
        return False
    if labels[-1] == "":
        labels.pop()
    return all(map(is_label, labels))


def is_wildcard_domain(text: str) -> bool:
    """A name whose first label may be, or start with, ``*``."""
    first, dot, rest = text.partition(".")
    if not 0 < len(text) <= LONGEST_NAME or len(first) > LONGEST_LABEL or not WILDCARD_LABEL.fullmatch(first):
        return False
    return is_fqdn(rest) if dot and rest else True


def is_generated_sni(text: str) -> bool:
    """The SNI of a cluster behind an AUTO_PASSTHROUGH gateway: ``outbound_.80_.v1_.host``."""
    parts = text.split("_")
    return (
        len(parts) > 3
        and parts[0] == "outbound"
        and bool(re.search(r"\d", parts[1]) and re.search("[a-zA-Z]", parts[3]))
    )


def is_ip(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_subnet(text: str) -> bool:
    """An address, or a block of them: ``10.0.0.0/8``."""
    if "/" not in text:
        return is_ip(text)
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return text.rpartition("/")[2].isdigit()


def is_gateway_name(text: str) -> bool:
    """``mesh``, a name, or namespace/name."""
    namespace, slash, name = text.partition("/")
    return is_label(namespace) and is_label(name) if slash else is_fqdn(text)


def _is_whole_host(text: str) -> bool:
    partial = "*" in text and len(text) != 1 and not text.startswith("*.")
    return (text == "*" or "." in text) and not partial and is_wildcard_domain(text)


def is_server_host(text: str) -> bool:
    """A host of a Gateway's server: no short name, with or without its namespace."""
    namespace, slash, host = text.partition("/")
    if not slash:
        return _is_whole_host(text) or (is_ip(text) and "." in text)
    return (namespace in ("*", ".") or is_label(namespace)) and (_is_whole_host(host) or is_ip(host))


def is_egress_host(text: str) -> bool:
    """A host of a Sidecar: namespace/host."""
    namespace, slash, host = text.partition("/")
    named = namespace.removeprefix("~")
    return bool(slash and host and namespace) and (named in ("", "*", ".") or is_label(named)) and _is_whole_host(host)


def hosts_apart(hosts: Sequence[str]) -> bool:
    """Whether no host includes another."""
    pairs = ((a, b) for index, a in enumerate(hosts) for b in hosts[index + 1 :])
    return not any(is_subset_host(a, b) or is_subset_host(b, a) for a, b in pairs)


def is_subset_host(host: str, whole: str) -> bool:
    """Whether every name that ``host`` means is meant by ``whole`` too."""
    if whole.startswith("*"):
        return host.removeprefix("*").endswith(whole[1:]) if host.startswith("*") else host.endswith(whole[1:])
    return host == whole


def is_export_to(values: Sequence[str], namespace: str, entry: bool) -> bool:
    """Where an object is visible: ``.``, namespaces, or ``*`` alone; for a ServiceEntry also ``~`` alone."""
    meant = [namespace if value == "." and namespace else value for value in values]
    alone = {"*", "~"} if entry else {"*"}
    if len(set(meant)) < len(meant) or (len(values) > 1 and alone & set(values)):
        return False
    return all(value in alone or value == "." or is_label(value) for value in values)


def nanoseconds(text: str) -> float | None:
    """A duration as Go writes it: ``1m30s``; None where it is none."""
    match = DURATION.fullmatch(text)
    if match is None:
        return None
    total = sum(float(number) * UNITS[unit] for number, unit in PART.findall(match[2]))
    return -total if match[1] == "-" else total


def is_duration(text: str) -> bool:
    """A duration of at least a millisecond, in whole ones."""
    value = nanoseconds(text)
    return value is not None and value >= UNITS["ms"] and value % UNITS["ms"] == 0


def is_regex(text: str) -> bool:
    """An RE2 expression; the engine behind CEL has RE2's syntax: no look-around, no back-references."""
    try:
        _MATCHES.execute({"expression": text})
    except (RuntimeError, ValueError):
        return False
    return True


_MATCHES = cel.compile("''.matches(expression)")


def is_cel(text: str) -> bool:
    """A CEL expression."""
    try:
        cel.compile(text)
    except ValueError:
        return False
    return True


def is_header_value(text: str) -> bool:
    """What Envoy can read: ``%VARIABLE%`` closed, and every other % written twice."""
    if re.search("[\x00-\x08\x0a-\x1f\x7f]", text):
        return False
    rest = re.sub(r"%[^%(]+(\((\[[^\]]*\]|(?:\\.|[^)])*)\))?\s*%", "", text.replace("%%", ""))
    return "%" not in rest


def is_matched_header(text: str) -> bool:
    """A header's name, a pseudo-header, or a claim of a token."""
    return text in PSEUDO_HEADERS or is_claim(text) or HEADER.fullmatch(text) is not None


def is_claim(text: str) -> bool:
    """A claim of a token: ``@request.auth.claims.group`` or ``@request.auth.claims[group]``."""
    return text.lower().startswith((f"{CLAIM}.", f"{CLAIM}["))


def is_retry_on(text: str) -> bool:
    """A condition of Envoy's, or an HTTP status."""
    return text in RETRY_ON or (text.isdigit() and int(text) in {status.value for status in HTTPStatus} - {0})


def is_prime(number: int) -> bool:
    """As Envoy tells it: 1 is one."""
    return 0 < number < 4 or (number % 2 == 1 and all(number % each for each in range(3, math.isqrt(number) + 1, 2)))


def is_labels(labels: Mapping[str, str]) -> bool:
    """Keys and values of labels, as istiod takes them."""
    return all(
        LABEL_KEY.fullmatch(key) and len(key.rpartition("/")[2]) <= LONGEST_LABEL and LABEL_VALUE.fullmatch(value)
        for key, value in labels.items()
    )


def localities_apart(localities: Sequence[str]) -> bool:
    """Whether localities (region/zone/subzone, ``*`` at the end) are well-formed and none includes another."""
    parts = []
    for text in localities:
        if "*" in text and (text.count("*") > 1 or not text.endswith("*")):
            return False
        split = text.split("/", 2)
        if not all(split):
            return False
        parts.append(split[: split.index("*")] if "*" in split else split)
    pairs = ((a, b) for index, a in enumerate(parts) for b in parts[index + 1 :])
    return all(a[: len(b)] != b and b[: len(a)] != a for a, b in pairs)


def is_attribute(key: str) -> bool:
    """An attribute that an AuthorizationPolicy's ``when`` knows."""
    if key.startswith(KEYED_ATTRIBUTES):
        name, bracket, rest = key.partition("[")
        return bool(name and bracket) and rest.endswith("]") and len(rest) > 1
    return key in ATTRIBUTES


def is_attribute_value(key: str, value: str) -> bool:
    """Whether an attribute can have a value."""
    if key in IP_ATTRIBUTES:
        return is_subnet(value)
    if key == "destination.port":
        return value.isdigit() and int(value) <= 65535
    return value != ""


def is_path(path: str) -> bool:
    """A path, in which ``{*}`` stands for a segment and ``{**}``, last of them, for several."""
    template, ended = "{*}" in path or "{**}" in path, False
    for segment in path.strip("/").split("/"):
        if segment in ("{*}", "{**}"):
            if ended:
                return False
            ended = segment == "{**}"
        elif "{" in segment or "}" in segment or (template and not PATH_LITERAL.fullmatch(segment)):
            return False
    return True


def is_key_set(text: str) -> bool:
    """A JSON Web Key Set, or a single key."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if not isinstance(value, Mapping):
        return False
    keys = value.get("keys", [value] if "kty" in value else None)
    return isinstance(keys, list) and all(isinstance(key, Mapping) and "kty" in key for key in keys)


def is_typed(value: Any) -> bool:
    """Whether every ``typed_config`` in a piece of Envoy's configuration names its type."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in ("typed_config", "typedConfig") and isinstance(each, Mapping):
                kind = each.get("@type")
                if not isinstance(kind, str) or not TYPE_URL.fullmatch(kind):
                    return False
            if not is_typed(each):
                return False
        return True
    return all(map(is_typed, value)) if isinstance(value, list) else True


def is_default_endpoint(text: str) -> bool:
    """Where a Sidecar sends what comes in: an address of its own pod."""
    if text.startswith("unix://"):
        return is_socket(text.removeprefix("unix://"))
    host, colon, port = text.rpartition(":")
    own = host in ("", "127.0.0.1", "0.0.0.0", "[::1]", "[::]")  # noqa: S104 - read, not listened on
    return bool(colon) and own and port.isdigit() and 1 <= int(port) <= 65535


def is_socket(path: str) -> bool:
    """The absolute path of a Unix socket, or the name of an abstract one."""
    return path.startswith("@") or (path.startswith("/") and not path.endswith("/"))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "given": lambda fields, name: bool(fields.get(name)),
    "hostsApart": hosts_apart,
    "isAttribute": is_attribute,
    "isAttributeValue": is_attribute_value,
    "isAuthority": lambda name: name.lower() in (":authority", "host"),
    "isCEL": is_cel,
    "isClaim": is_claim,
    "isDefaultEndpoint": is_default_endpoint,
    "isDuration": is_duration,
    "isEgressHost": is_egress_host,
    "isExportTo": is_export_to,
    "isFQDN": is_fqdn,
    "isGatewayName": is_gateway_name,
    "isGeneratedSNI": is_generated_sni,
    "isGrpcStatus": GRPC_STATUS.__contains__,
    "isHTTP": lambda name: name.lower() in HTTP,
    "isHeaderName": lambda name: HEADER.fullmatch(name) is not None,
    "isHeaderValue": is_header_value,
    "isIP": is_ip,
    "isKeySet": is_key_set,
    "isLabel": is_label,
    "isLabels": is_labels,
    "isMatchedHeader": is_matched_header,
    "isPath": is_path,
    "isPrime": is_prime,
    "isProtocol": lambda name: name.lower() in PROTOCOLS,
    "isRegex": is_regex,
    "isRetryOn": is_retry_on,
    "isServerHost": is_server_host,
    "isSocket": is_socket,
    "isSubnet": is_subnet,
    "isSubsetHost": is_subset_host,
    "isTLSProtocol": lambda name: name.lower() in TLS,
    "isTyped": is_typed,
    "isWildcardDomain": is_wildcard_domain,
    "isZero": lambda text: nanoseconds(text) == 0,
    "keys": list,
    "localitiesApart": localities_apart,
    "total": lambda weights: sum(weights.values()),
    "wholeSeconds": lambda text: (nanoseconds(text) or 0) % UNITS["s"] == 0,
}
