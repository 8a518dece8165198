"""Raw TLS from inside a cluster to the east-west gateways of the others, around its own mesh."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509

from health.observed import GatewayHandshake
from live.observed.certificates import facts
from live.pods.port import PodPortError, pod_http, pod_socket
from live.probe import bootstrap
from live.probe.matrix import POLL_SECONDS, SETTLE_SECONDS
from live.probe.objects import NAMESPACE, OUTSIDE, PROBE
from live.probe.site import Site
from policy.hosts import full_name

# Gateways pass on what offers one of Istio's own: pilot/pkg/networking/core/gateway.go, allIstioMtlsALPNs.
PROTOCOLS = ["istio", "istio-http/1.1"]
SNI = f"outbound_.{bootstrap.SERVER_PORT}_._.{full_name(PROBE, NAMESPACE)}"
AT_ONCE = 8
SECONDS = bootstrap.CONNECT_SECONDS + 2
# What a gateway does with a name that it does not know, as istiod has not told it yet (`filter_chain_not_found`).
UNKNOWN_NAME = "closed before the handshake was whole"
CLOSED = f"the connection ended: {UNKNOWN_NAME}"


def handshakes(site: Site) -> tuple[GatewayHandshake, ...]:
    """What the pod outside the mesh gets of every gateway that it has a tunnel to.

    Args:
        site: the probe in the client's cluster.
    """
    if not site.tunnels:
        return ()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return tuple(pool.map(lambda port: _handshake(site, port), site.tunnels))


def _handshake(site: Site, port: int) -> GatewayHandshake:
    """What the gateway behind a tunnel answers, once it knows the probe's Service or the time for that is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := _tried(site, port)).reason == CLOSED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found


def _tried(site: Site, port: int) -> GatewayHandshake:
    peer, address = site.tunnels[port]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whoever answers is to be seen, not to be trusted: what it shows is judged by the checks.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(PROTOCOLS)
    before = _counts(site, port)
    chain: list[x509.Certificate] = []
    reason = ""
    try:
        with pod_socket(site.access, OUTSIDE, NAMESPACE, port) as connected:
            connected.settimeout(SECONDS)
            chain = _chain(context, connected)
    except ssl.SSLError as error:
        reason = f"TLS failed: {error.reason or error}"
    except (OSError, PodPortError) as error:
        reason = f"the connection ended: {error or type(error).__name__}"
    after = _counts(site, port)
    missed = [name for name in REASONS if after.get(name, 0) > before.get(name, 0)]
    arrived = not missed and (bool(chain) or after.get("upstream_cx_total", 0) > before.get("upstream_cx_total", 0))
    return GatewayHandshake(
        peer,
        address,
        bootstrap.EAST_WEST_PORT,
        connected=arrived,
        chain=tuple(map(facts, chain)),
        identities=_uris(chain[0]) if chain else (),
        reason=REASONS[missed[0]] if missed else reason,
    )


# Envoy's counts of a tunnel: https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats
REASONS = {
    "upstream_cx_connect_timeout": f"no answer within {bootstrap.CONNECT_SECONDS} s",
    "upstream_cx_connect_fail": "the connection was refused, or there is no way there",
    "upstream_cx_none_healthy": "its name does not resolve in this cluster",
}


def _counts(site: Site, port: int) -> dict[str, int]:
    name = f"cluster.{bootstrap.tunnel_name(port)}."
    with pod_http(site.access, OUTSIDE, NAMESPACE, bootstrap.OUTSIDE_ADMIN_PORT) as envoy:
        lines = envoy.text(f"/stats?filter=^{name}upstream_cx_").splitlines()
    found = (line.removeprefix(name).partition(": ") for line in lines)
    return {key: int(value) for key, _, value in found if value.isdigit()}


def _chain(context: ssl.SSLContext, connected: socket.socket) -> list[x509.Certificate]:
    """The chain that the server shows, leaf first.

    The handshake goes through memory, because what a port-forward gives is no socket of the operating system's own.
    """
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, to_send, server_hostname=SNI)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            connected.sendall(to_send.read())
            data = connected.recv(1 << 16)
            if not data:
                raise ConnectionResetError(UNKNOWN_NAME) from None
            received.write(data)
    # Public from Python 3.13 on only; the object within has had it since 3.10.
    shown = tls._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
    return [x509.load_pem_x509_certificate(each.public_bytes().encode()) for each in shown]


def _uris(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
