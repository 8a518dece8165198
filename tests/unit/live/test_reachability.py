"""Why an API server does not answer, told apart by what the connection says."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from live.kubeconfig import ClusterAccess
from live.reachability import UnreachableError, cluster_uid
from tests.unit.live.policy.api_server import cluster


@contextmanager
def listening(say: bytes, tls: ssl.SSLContext | None = None) -> Iterator[ClusterAccess]:
    """Somebody at an https address who takes every connection, says this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connected, _ = server.accept()
            with connected:
                try:
                    if tls:
                        tls.wrap_socket(connected, server_side=True).close()
                    connected.recv(4096)
                    connected.sendall(say)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield cluster("cluster1", f"https://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody trusts."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    (tmp_path / "both.pem").write_bytes(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


def said(access: ClusterAccess) -> str:
    """What the error says."""
    with pytest.raises(UnreachableError) as raised:
        cluster_uid(access)
    return str(raised.value)


@pytest.mark.parametrize("say", [b"", b"HTTP/1.1 502 Bad Gateway\r\n\r\n"], ids=["hangs up", "speaks no TLS"])
def test_what_stands_before_a_dead_api_server_is_not_taken_for_a_wrong_certificate(say: bytes) -> None:
    with listening(say) as access:
        message = said(access)
    assert message.startswith("cluster cluster1: no API server answers behind https://127.0.0.1:")
    assert "where TLS does not come about: [SSL: " in message
    assert "\n" not in message


def test_a_certificate_that_the_kubeconfig_does_not_trust_is_said_to_be_that(own_certificate: ssl.SSLContext) -> None:
    with listening(b"", own_certificate) as access:
        message = said(access)
    assert "does not fit the kubeconfig: [SSL: CERTIFICATE_VERIFY_FAILED]" in message


def test_a_port_where_nobody_listens_is_said_to_be_that() -> None:
    message = said(cluster("cluster1", "https://127.0.0.1:1"))
    assert "does not answer within 5 s" in message
    assert "refused" in message
