"""What a cluster signs with and trusts, without its private keys: what istiod shows, and the roots it gives out."""

import ssl
from typing import Any

from cryptography import x509

from health.observed import Certificate, Trust
from live.client import TIMEOUT
from live.kubeconfig import ClusterAccess
from live.observed.asked import Asked
from live.observed.certificates import certificates, facts
from live.pods.port import PodPortError, pod_socket
from live.pods.readiness import is_ready
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE

BUNDLE = "istio-ca-root-cert"
ROOT = "root-cert.pem"
XDS_TLS = 15012


def read(asked: Asked) -> Trust:
    """The chain of a ready istiod, and the roots that every namespace was given.

    Raises:
        PodPortError: no istiod is ready, or none shows a certificate.
    """
    held = asked.core.list_config_map_for_all_namespaces(
        field_selector=f"metadata.name={BUNDLE}", _request_timeout=TIMEOUT
    ).items
    texts = {each.metadata.namespace: (each.data or {}).get(ROOT, "") for each in held}
    roots = certificates(texts.get(NAMESPACE, ""))
    differing = {namespace: certificates(text) for namespace, text in texts.items() if text != texts.get(NAMESPACE, "")}
    return Trust(_chain(asked), roots, differing)


def _chain(asked: Asked) -> tuple[Certificate, ...]:
    pods = asked.core.list_namespaced_pod(NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT).items
    ready = [pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None and is_ready(pod)]
    if not ready:
        raise PodPortError("no istiod is ready: its certificates cannot be seen")
    return served_chain(asked.access, ready[0])


def served_chain(access: ClusterAccess, pod: str) -> tuple[Certificate, ...]:
    """The certificates that an istiod pod shows at its port 15012, its own first.

    Args:
        access: its cluster.
        pod: its name.

    Raises:
        PodPortError: it shows none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # It is looked at, not relied on.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pod_socket(access, pod, NAMESPACE, XDS_TLS) as connected:
        try:
            with context.wrap_socket(connected, server_hostname=f"istiod.{NAMESPACE}.svc") as tls:
                shown = _unverified_chain(tls)
        except OSError as error:
            raise PodPortError(f"pod {NAMESPACE}/{pod} in cluster {access.name} does not speak TLS: {error}") from error
    return tuple(facts(x509.load_der_x509_certificate(der)) for der in shown)


def _unverified_chain(tls: ssl.SSLSocket) -> list[bytes]:
    if hasattr(tls, "get_unverified_chain"):  # since Python 3.13
        return list(tls.get_unverified_chain())
    # Before, only the object within has it, and gives certificates of its own kind.
    within: Any = tls._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in within.get_unverified_chain()]
