"""What certificates say, as facts."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from health.observed import Certificate


def certificates(pem: str) -> tuple[Certificate, ...]:
    """Every certificate of a PEM text; empty where the text is.

    Raises:
        ValueError: it is no PEM.
    """
    return tuple(map(facts, x509.load_pem_x509_certificates(pem.encode()))) if pem.strip() else ()


def facts(certificate: x509.Certificate) -> Certificate:
    """The facts of one certificate."""
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_id=_key_id(certificate),
        issuer_key_id=_issuer_key_id(certificate),
    )


def _key_id(certificate: x509.Certificate) -> str:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        return ""


def _issuer_key_id(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    return found.hex() if found else ""
