"""What certificates say, who issued whom, and when they end. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# Time to plan a new root, which every cluster has to come to trust first; an intermediate is one `pulumi up`.
ROOT_NOTICE, INTERMEDIATE_NOTICE = timedelta(days=365), timedelta(days=60)

# istiod's Go does not take a signature of these. A root's own signature proves nothing, and nobody checks it.
WEAK_HASHES = (hashes.SHA1, hashes.MD5)


@dataclass(frozen=True)
class CertificateFacts:
    """What a stack's outputs say of a certificate.

    Attributes:
        sha256: fingerprint over its DER, lower-case hex.
        expires: end of its validity, RFC 3339.
        subject: distinguished name, RFC 4514.
    """

    sha256: str
    expires: str
    subject: str


class UnfitCertificateError(ValueError):
    """A text that cannot be used as certificate or key: the message is the cause, ``cure`` what to do."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(cause)
        self.cure = cure


def describe(pem: str) -> CertificateFacts:
    """Facts of the first certificate of a PEM text.

    Raises:
        UnfitCertificateError: there is none.
    """
    first = parse_certificates(pem)[0]
    return CertificateFacts(sha256(first), _end(first), first.subject.rfc4514_string())


def first_end(pem: str) -> str:
    """End of validity, RFC 3339, of the certificate of a PEM text that ends first.

    Raises:
        UnfitCertificateError: there is none.
    """
    return min(map(_end, parse_certificates(pem)))


def _end(certificate: x509.Certificate) -> str:
    return certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def chain_to_root(certificate_pem: str, root_pem: str) -> list[str]:
    """The PEM certificates from a cluster's own to the root that it leads to, in order.

    Args:
        certificate_pem: the cluster's certificate, then those between it and the root, in any order.
        root_pem: the root certificate; several while a root is being replaced.

    Raises:
        UnfitCertificateError: a text is no certificate, or none of the roots signed the chain.
    """
    chain = chain_of(parse_certificates(certificate_pem), parse_certificates(root_pem))
    return [certificate.public_bytes(Encoding.PEM).decode() for certificate in chain]


def expiry_warning(whose: str, expires: str, now: datetime, notice: timedelta, cure: str) -> str | None:
    """A sentence where a certificate ends within ``notice``, else None.

    Args:
        whose: the certificate, as the sentence's subject.
        expires: end of its validity, RFC 3339.
        now: an aware time.
        notice: how long before its end there is something to say.
        cure: what to do.
    """
    left = datetime.fromisoformat(expires) - now
    if left > notice:
        return None
    said = f"expires in {left.days} days" if left > timedelta() else "has expired"
    return f"{whose} {said}, at {expires}. {cure}"


def check_answers_request(certificate_pem: str, public_key_pem: str) -> None:
    """That a certificate was signed from the request of the key that Pulumi made.

    Raises:
        UnfitCertificateError: it belongs to another key.
    """
    wanted = serialization.load_pem_public_key(public_key_pem.encode())
    if spki(parse_certificates(certificate_pem)[0].public_key()) != spki(wanted):
        raise UnfitCertificateError(
            "it was not signed from the request that this stack exports: it belongs to another key",
            "Have this stack's request signed, and give the certificate that comes of it",
        )


def parse_certificates(pem: str) -> list[x509.Certificate]:
    """Every certificate of a PEM text, at least one.

    Raises:
        UnfitCertificateError: there is none, or one is damaged.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        for certificate in certificates:  # These are read only when asked for.
            certificate.public_key()
            _ = certificate.extensions
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitCertificateError(
            "no certificate can be read from it",
            "Give PEM: -----BEGIN CERTIFICATE-----, base64, -----END CERTIFICATE-----",
        ) from None
    return certificates


def sha256(certificate: x509.Certificate) -> str:
    """Fingerprint over its DER, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def chain_of(certificates: list[x509.Certificate], roots: list[x509.Certificate]) -> list[x509.Certificate]:
    """The first certificate and those above it, in order, up to one of the roots.

    Raises:
        UnfitCertificateError: none of the roots signed it, or what lies between is not given.
    """
    chain, rest = [certificates[0]], [*certificates[1:], *roots]
    while chain[-1] not in roots:
        issuers = [candidate for candidate in rest if candidate not in chain and issued_by(chain[-1], candidate)]
        if not issuers:
            raise _broken(chain[-1], rest)
        chain.append(issuers[0])
    return chain


def _broken(certificate: x509.Certificate, rest: list[x509.Certificate]) -> UnfitCertificateError:
    broken, issuer = f"the chain does not lead to the root: {name_of(certificate)}", certificate.issuer.rfc4514_string()
    if any(candidate.subject == certificate.issuer for candidate in rest):
        return UnfitCertificateError(
            f"{broken} was signed by another CA of the name {issuer}",
            "Give the root (or intermediate) whose key signed it: a new one under the old name is another CA",
        )
    return UnfitCertificateError(
        f"{broken} was signed by {issuer}, which is not given",
        "Put the certificates between the cluster's and the root after it, in the same text",
    )


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed it, under the issuer's name."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def weakly_signed(certificate: x509.Certificate) -> bool:
    """Whether istiod refuses the algorithm of its signature."""
    return isinstance(certificate.signature_hash_algorithm, WEAK_HASHES)


def path_length(certificate: x509.Certificate) -> int | None:
    """How many CAs may stand below it; None: it does not say."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def spki(public_key: object) -> bytes:
    """What two certificates or keys have in common if they belong together."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def name_of(certificate: x509.Certificate) -> str:
    """Its subject, for messages."""
    return certificate.subject.rfc4514_string() or "a certificate without a name"
