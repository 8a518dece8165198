"""Certificate authorities of the tests, as a security team would have them: made with `cryptography`, good or bad."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


def p256() -> ec.EllipticCurvePrivateKey:
    """A new ECDSA key."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Authority:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key, PKCS #8, not encrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def encrypted_key_pem(self, password: bytes) -> str:
        """The key, PKCS #8, encrypted."""
        encryption = serialization.BestAvailableEncryption(password)
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    def issue(self, name: str, key: Key | None = None, **extensions: Any) -> "Authority":
        """A certificate that this authority signs; what may be said of it: see :func:`certificate`."""
        made = key or p256()
        return Authority(certificate(name, made.public_key(), self, **extensions), made)

    def answer(self, request_pem: str, days: int = 700) -> str:
        """The intermediate certificate that answers a certificate request, PEM."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        (name,) = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        signed = certificate(str(name.value), request.public_key(), self, days=days, path_length=0)
        return signed.public_bytes(Encoding.PEM).decode()


def root(name: str = "Acme Root", key: Key | None = None, **extensions: Any) -> Authority:
    """A self-signed CA, valid for ten years; what may be said of it: see :func:`certificate`."""
    made = key or p256()
    return Authority(certificate(name, made.public_key(), None, own_key=made, **{"days": 3650, **extensions}), made)


def certificate(
    name: str,
    public_key: Any,
    issuer: Authority | None,
    *,
    own_key: Key | None = None,
    days: float = 700,
    since: float = 1,
    ca: bool = True,
    signs: bool = True,
    path_length: int | None = None,
    uri: str | None = None,
) -> x509.Certificate:
    """Sign a certificate.

    Args:
        name: its common name.
        public_key: what it is for.
        issuer: who signs; None: itself.
        own_key: its key, where it signs itself.
        days: how long from now it is valid.
        since: for how many days it has been valid; less than 0: it will be so many days from now.
        ca, signs, path_length: CA flag, key usage keyCertSign, pathlen.
        uri: its URI, for example the SPIFFE id of a workload.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = issuer.key if issuer else own_key
    assert key is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - since * DAY)
        .not_valid_after(NOW + days * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=signs,
                crl_sign=signs,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if uri is not None:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
