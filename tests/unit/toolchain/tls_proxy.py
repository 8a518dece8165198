"""A proxy on 127.0.0.1 behind which one named https host is a stand-in, with a certificate of a throw-away CA."""

import datetime
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.toolchain.stand_in import Host, handler_for


def write_certificate(name: str, folder: Path) -> Path:
    """A self-signed certificate for ``name`` with its key, both in the file returned."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "stand-in.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def proxy_to_stand_in(name: str, folder: Path) -> Iterator[tuple[str, Path, Host]]:
    """Run the proxy.

    Args:
        name: the only host that it connects to: the stand-in.
        folder: for the certificate.

    Yields:
        The proxy's URL, the file with the CA, and what the stand-in serves.
    """
    host = Host(url=f"https://{name}")
    certificate = write_certificate(name, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = handler_for(host)

    class Connect(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            wanted = self.rfile.readline().split()
            while self.rfile.readline().strip():
                pass
            if wanted[:2] != [b"CONNECT", f"{name}:443".encode()]:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            try:
                with context.wrap_socket(cast(socket.socket, self.connection), server_side=True) as inner:
                    handler(inner, self.client_address, self.server)
            except OSError as cause:
                host.asked.append(f"broken off: {cause}")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connect) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", certificate, host
        server.shutdown()
        thread.join()
