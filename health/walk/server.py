"""What the server's proxy does with the connection: mutual TLS, certificates, authorization."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from envoy.cluster import UpstreamTls
from envoy.config_dump import Certificates
from envoy.endpoint import Endpoint
from envoy.listener import FilterChain
from health.checks.request import CERTIFICATE, DENIED, NO_ENDPOINT, TLS_MODE
from health.walk.facts import Pod, Policy, Proxy, Site, Unread
from health.walk.step import Step, broken, fine, untold

APPLIED = ("PeerAuthentication", "RequestAuthentication", "AuthorizationPolicy", "Sidecar", "EnvoyFilter")


def chains_of(proxy: Proxy, port: int) -> tuple[FilterChain, ...]:
    """The filter chains of the server's proxy for one of its pod's ports; those for any port where it has none."""
    inbound = proxy.config.listeners.get("virtualInbound")
    chains = inbound.chains if inbound else ()
    return tuple(c for c in chains if c.port == port) or tuple(c for c in chains if not c.port)


def mode(chains: Sequence[FilterChain]) -> str:
    """``STRICT``, ``PERMISSIVE`` or ``DISABLE``: what the chains take, in the words of PeerAuthentication."""
    mutual = any(chain.tls and chain.tls.client_certificate for chain in chains)
    plain = any(chain.tls is None and chain.transport in ("", "raw_buffer") for chain in chains)
    return ("PERMISSIVE" if plain else "STRICT") if mutual else "DISABLE"


def server(
    endpoint: Endpoint, pod: Pod | None, proxy: Proxy | Unread | None, there: Site, tls: UpstreamTls | None
) -> Step:
    """Whether the server's side takes the connection.

    Args:
        endpoint: the pod's address and port.
        pod: the pod of that address; None: there is none.
        proxy: its proxy; None: it has none.
        there: its cluster.
        tls: how the client secures the connection; None: not at all.
    """
    where = there.name
    if pod is None:
        said = f"no pod of {where} has the address {endpoint.address}: it is gone, and istiod has not said so (yet)"
        return broken("server", where, NO_ENDPOINT, said)
    if not pod.sidecar:
        if tls is not None and tls.istio_mutual:
            said = f"pod {pod} has no sidecar to end the client's mutual TLS"
            return broken("server", where, TLS_MODE, said)
        return fine("server", where, f"pod {pod} without sidecar, plain text, port {endpoint.port}: no policy applies")
    if not isinstance(proxy, Proxy):
        return untold("server", where, proxy.reason if proxy else f"the proxy of pod {pod} was not asked")
    return _secured(endpoint, pod, proxy, there, tls)


def _secured(endpoint: Endpoint, pod: Pod, proxy: Proxy, there: Site, tls: UpstreamTls | None) -> Step:
    """Whether the server's proxy takes the connection as the client secures it."""
    takes, where = mode(chains_of(proxy, endpoint.port)), there.name
    ours = _applied(there, pod, "PeerAuthentication")
    if tls is None and takes == "STRICT":
        said = f"pod {pod} takes mutual TLS only at port {endpoint.port} (STRICT), and gets plain text"
        return broken("server", where, TLS_MODE, said, declared=ours)
    if tls is not None and tls.istio_mutual and takes == "DISABLE":
        said = f"pod {pod} takes plain text only at port {endpoint.port} (DISABLE), and gets mutual TLS"
        return broken("server", where, TLS_MODE, said, declared=ours)
    known = f"inbound|{endpoint.port}||" in proxy.config.clusters
    said = f"pod {pod}, port {endpoint.port}, mutual TLS {takes}" + ("" if known else ", a port of no Service")
    return fine(
        "server", where, said, f"ServiceAccount {pod.account}, Istio {proxy.config.node.version}", declared=ours
    )


def authorization(pod: Pod, proxy: Proxy, port: int, there: Site) -> Step | None:
    """The AuthorizationPolicies that a server enforces; None: there are none.

    Only one that refuses everybody is judged here; what the others say of a request, its sending shows.

    Args:
        pod: the server.
        proxy: its proxy.
        port: the pod's port.
        there: its cluster.
    """
    enforced = list(dict.fromkeys(a for chain in chains_of(proxy, port) for a in chain.authorizations))
    if not enforced:
        return None
    declared = _applied(there, pod, "AuthorizationPolicy")
    for each in enforced:
        if each.refuses_all:
            said = f"{each.action} {', '.join(each.policies) or 'without a rule'} refuses every request to pod {pod}"
            return broken("authorization", there.name, DENIED, said, declared=declared)
    rules = tuple(f"{each.action} {', '.join(each.policies)}" for each in enforced)
    return fine(
        "authorization",
        there.name,
        "what the rules say of this request shows when it is sent",
        *rules,
        declared=declared,
    )


def policies(there: Site, pod: Pod, whose: str) -> Step:
    """The policy that applies to a pod, with the file that each object came from."""
    if isinstance(there.policies, Unread):
        return untold("policy", there.name, there.policies.reason)
    applied = tuple(line for kind in APPLIED for line in _applied(there, pod, kind))
    said = f"{len(applied)} objects apply to the {whose}" if applied else f"no object applies to the {whose}"
    return fine("policy", there.name, said.replace("1 objects apply", "1 object applies"), declared=applied)


def _applied(there: Site, pod: Pod, kind: str) -> tuple[str, ...]:
    found: Iterable[Policy] = there.known_policies
    return tuple(str(p) for p in found if p.kind == kind and p.concerns(pod, there.root))


def certificates(
    tls: UpstreamTls, client: Certificates, server_: Certificates, where: str, now: datetime | None = None
) -> Step:
    """Whether each side takes what the other one shows.

    Args:
        tls: what the client expects.
        client: of the client's proxy.
        server_: of the server's proxy.
        where: the server's cluster.
        now: time to judge by; None: this machine's.
    """
    now = now or datetime.now(UTC)
    if not client.chain or not server_.chain:
        return untold(
            "certificates", where, "a proxy does not say what it shows: its secrets are not in its config_dump"
        )
    lines = (
        f"server shows {_names(server_.chain[0])}, by {_issuers(server_)}, until {_until(server_)}",
        f"client shows {_names(client.chain[0])}, by {_issuers(client)}, until {_until(client)}",
    )
    for side, shown, judge in (("server", server_, client), ("client", client, server_)):
        other = "client" if side == "server" else "server"
        first = shown.chain[0]
        if not first.not_valid_before_utc <= now <= first.not_valid_after_utc:
            said = f"the {side}'s certificate is valid from {first.not_valid_before_utc} to {first.not_valid_after_utc}"
            return broken("certificates", where, CERTIFICATE, said, *lines)
        if judge.roots and not _leads_to(shown.chain, judge.roots):
            roots = ", ".join(root.subject.rfc4514_string() for root in judge.roots)
            said = f"the {side}'s certificate leads to no root that the {other} trusts ({roots})"
            return broken("certificates", where, CERTIFICATE, said, *lines)
    expected = [text for how, text in tls.sans if how == "exact"]
    names = set(_uris(server_.chain[0]))
    if expected and len(expected) == len(tls.sans) and not names & set(expected):
        said = f"the client expects {' or '.join(expected)}, and the server is {', '.join(sorted(names))}"
        return broken("certificates", where, CERTIFICATE, said, *lines)
    return fine("certificates", where, "each side trusts what the other one shows", *lines)


def _leads_to(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Whether a chain ends at one of the roots, each certificate signed by the next."""
    current = chain[0]
    for _ in range(len(chain) + 1):
        if any(current == root or _signed(current, root) for root in roots):
            return True
        following = next((each for each in chain if each != current and _signed(current, each)), None)
        if following is None:
            return False
        current = following
    return False


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _names(certificate: x509.Certificate) -> str:
    return ", ".join(_uris(certificate)) or certificate.subject.rfc4514_string()


def _issuers(shown: Certificates) -> str:
    return " by ".join(dict.fromkeys(each.issuer.rfc4514_string() for each in shown.chain))


def _until(shown: Certificates) -> str:
    return f"{shown.chain[0].not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
