"""What certificates say, and whether those that the user gives can be a mesh's trust. Pure: texts in, problems out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from topology.errors import Problem

ROOT_KEY = "spanmesh:mesh.trust.rootCertificate"
RSA_BITS = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
# Time to plan a new root, which every cluster has to come to trust first; an intermediate is one `pulumi up`.
ROOT_NOTICE, INTERMEDIATE_NOTICE = timedelta(days=365), timedelta(days=60)
PRIVATE = "PRIVATE KEY-----"

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


@dataclass(frozen=True)
class GivenIntermediate:
    """The intermediate CA of one cluster, as the user gives it.

    Attributes:
        cluster: Istio's cluster name.
        key: path of the cluster's trust, for example ``spanmesh:mesh.clusters[1].trust``.
        certificate: PEM: the cluster's certificate, then those between it and the root.
        private_key: PEM; None where Pulumi made the key.
    """

    cluster: str
    key: str
    certificate: str
    private_key: str | None


@dataclass(frozen=True)
class GivenTrust:
    """The trust of a mesh, as the user gives it.

    Attributes:
        root: the root certificate, PEM; several while a root is being replaced.
        intermediates: by Istio's cluster name; a cluster whose request is not signed yet is not in it.
    """

    root: str
    intermediates: Mapping[str, GivenIntermediate]


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
    expires = first.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    return CertificateFacts(first.fingerprint(hashes.SHA256()).hex(), expires, first.subject.rfc4514_string())


def chain_to_root(certificate_pem: str, root_pem: str) -> list[str]:
    """The PEM certificates from a cluster's own to the root that it leads to, in order.

    Args:
        certificate_pem: the cluster's certificate, then those between it and the root, in any order.
        root_pem: the root certificate; several while a root is being replaced.

    Raises:
        UnfitCertificateError: a text is no certificate, or none of the roots signed the chain.
    """
    chain = _chain(parse_certificates(certificate_pem), parse_certificates(root_pem))
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


def check_provided(given: GivenTrust, now: datetime) -> list[Problem]:
    """Everything for which what is given cannot be the trust of a mesh.

    The rules: RFC 5280 sections 4.2.1.3, 4.2.1.9 and 6.1, and what istiod asks of ``cacerts``
    (https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert).

    Args:
        given: root and intermediates.
        now: an aware time.
    """
    problems = list(_root_problems(given.root, now))
    roots = [] if problems else parse_certificates(given.root)
    own: list[tuple[GivenIntermediate, x509.Certificate]] = []
    for each in given.intermediates.values():
        try:
            certificates = _public_certificates(each.certificate)
        except UnfitCertificateError as error:
            problems.append(Problem(f"{each.key}.certificate", str(error), error.cure))
            continue
        problems += _intermediate_problems(each, certificates, roots, now)
        own.append((each, certificates[0]))
    problems += _shared(own)
    for each, certificate in own:
        problems += _private_key_problems(each, certificate, own)
    return problems


def check_answers_request(certificate_pem: str, public_key_pem: str) -> None:
    """That a certificate was signed from the request of the key that Pulumi made.

    Raises:
        UnfitCertificateError: it belongs to another key.
    """
    wanted = serialization.load_pem_public_key(public_key_pem.encode())
    if _spki(parse_certificates(certificate_pem)[0].public_key()) != _spki(wanted):
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


def _public_certificates(pem: str) -> list[x509.Certificate]:
    if PRIVATE in pem:
        raise UnfitCertificateError(
            "it holds a private key, and certificates are shown in outputs and logs",
            "Keep only the certificates here; the intermediate's key belongs in `key`",
        )
    return parse_certificates(pem)


def _root_problems(pem: str, now: datetime) -> Iterator[Problem]:
    if PRIVATE in pem:
        yield Problem(
            ROOT_KEY,
            "it holds a private key, and this program must never see the root's key",
            "Give the certificate alone. If the key lies in a repository or a log by now, make a new root",
        )
        return
    try:
        roots = parse_certificates(pem)
    except UnfitCertificateError as error:
        yield Problem(ROOT_KEY, str(error), error.cure)
        return
    for root in roots:
        if root.subject != root.issuer or not (_weakly_signed(root) or _issued_by(root, root)):
            cause = f"{_name(root)} is not self-signed: it was issued by {root.issuer.rfc4514_string()}"
            yield Problem(
                ROOT_KEY, cause, "Give the certificate at the top of the chain; others belong to `certificate`"
            )
            continue
        for cause, cure in (*_not_a_ca(root), *_weak(root), *_out_of_time(root, now)):
            yield Problem(ROOT_KEY, cause, cure)


def _intermediate_problems(
    given: GivenIntermediate, certificates: list[x509.Certificate], roots: list[x509.Certificate], now: datetime
) -> Iterator[Problem]:
    key, first = f"{given.key}.certificate", certificates[0]
    if first in roots:
        yield Problem(
            key,
            f"it is the root itself: cluster {given.cluster} would have to hold the root's key",
            "Give an intermediate that the root signed for this cluster",
        )
        return
    for certificate in filter(_weakly_signed, certificates):
        used = certificate.signature_hash_algorithm.name.upper() if certificate.signature_hash_algorithm else ""
        yield Problem(
            key, f"{_name(certificate)} is signed with {used}, which istiod refuses", "Have it signed with SHA-256"
        )
        roots = []
    try:
        chain = _chain(certificates, roots) if roots else [first]
    except UnfitCertificateError as error:
        yield Problem(key, str(error), error.cure)
        chain = [first]
    for below, certificate in enumerate(chain):
        if certificate not in roots:
            for cause, cure in (*_not_a_ca(certificate), *_weak(certificate), *_out_of_time(certificate, now)):
                yield Problem(key, cause, cure)
        if (limit := _path_length(certificate)) is not None and limit < below:
            yield Problem(
                key,
                f"{_name(certificate)} has pathlen:{limit}, and {below} CA{'s' if below > 1 else ''} below it",
                f"Have it issued with pathlen:{below} or more, or the cluster's certificate signed higher up",
            )
        if below and chain[below - 1].not_valid_after_utc > certificate.not_valid_after_utc:
            yield Problem(
                key,
                f"{_name(chain[below - 1])} outlives {_name(certificate)}, which signed it",
                "Have it issued so that it ends before its issuer does",
            )


def _shared(own: list[tuple[GivenIntermediate, x509.Certificate]]) -> Iterator[Problem]:
    seen: dict[bytes, tuple[str, x509.Certificate]] = {}
    for given, certificate in own:
        public = _spki(certificate.public_key())
        other, of_other = seen.setdefault(public, (given.cluster, certificate))
        if of_other is not certificate:
            what = "the certificate" if of_other == certificate else "a certificate with the key"
            yield Problem(
                f"{given.key}.certificate",
                f"it is {what} of {other}: the `cacerts` of {given.cluster} would be made from the files of {other}",
                "Give each cluster an intermediate of its own, or one that is broken into gives away the other",
            )


def _private_key_problems(
    given: GivenIntermediate, certificate: x509.Certificate, own: list[tuple[GivenIntermediate, x509.Certificate]]
) -> Iterator[Problem]:
    if given.private_key is None:
        return
    key = f"{given.key}.key"
    try:
        public = _spki(_public_half(given.private_key))
    except UnfitCertificateError as error:
        yield Problem(key, str(error), error.cure)
        return
    if public != _spki(certificate.public_key()):
        owners = [other.cluster for other, theirs in own if _spki(theirs.public_key()) == public]
        cause = f"it is the key of {owners[0]}" if owners else "it does not belong to the certificate"
        yield Problem(key, f"{cause}: cluster {given.cluster}", "Give the key from which the certificate was requested")


def _public_half(pem: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The public half of a private key."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise UnfitCertificateError(
            "the key is encrypted, and istiod cannot ask for its password",
            "Decrypt it (openssl pkey -in FILE), and give it by `secret` or `env`, not as a file in the repository",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitCertificateError(
            "no private key can be read from it",
            "Give PEM that begins with -----BEGIN PRIVATE KEY----- (or EC, or RSA PRIVATE KEY)",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnfitCertificateError("the key is neither RSA nor ECDSA", f"Give an ECDSA key, or RSA of {RSA_BITS} bits")
    return key.public_key()


def _chain(certificates: list[x509.Certificate], roots: list[x509.Certificate]) -> list[x509.Certificate]:
    chain, rest = [certificates[0]], [*certificates[1:], *roots]
    while chain[-1] not in roots:
        issuers = [candidate for candidate in rest if candidate not in chain and _issued_by(chain[-1], candidate)]
        if not issuers:
            raise _broken(chain[-1], rest)
        chain.append(issuers[0])
    return chain


def _broken(certificate: x509.Certificate, rest: list[x509.Certificate]) -> UnfitCertificateError:
    issuer = certificate.issuer.rfc4514_string()
    if any(candidate.subject == certificate.issuer for candidate in rest):
        return UnfitCertificateError(
            f"the chain does not lead to the root: {_name(certificate)} was signed by another CA of the name {issuer}",
            "Give the root (or intermediate) whose key signed it: a new one under the old name is another CA",
        )
    return UnfitCertificateError(
        f"the chain does not lead to the root: {_name(certificate)} was signed by {issuer}, which is not given",
        "Put the certificates between the cluster's and the root after it, in the same text",
    )


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _not_a_ca(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    name = _name(certificate)
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        yield f"{name} is the certificate of a workload or a server, not of a CA", "Give one with CA:TRUE"
        return
    try:
        signs = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True  # RFC 5280, 4.2.1.3: without the extension every use is allowed.
    if not signs:
        yield f"{name} may not sign certificates", "Have it issued with the key usage keyCertSign"


def _weak(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    name, public = _name(certificate), certificate.public_key()
    cure = f"Have it issued for an ECDSA key (P-256, P-384, P-521), or RSA of at least {RSA_BITS} bits"
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < RSA_BITS:
            yield f"the RSA key of {name} has {public.key_size} bits", cure
    elif not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES):
        yield f"the key of {name} is neither RSA nor ECDSA on a curve that Envoy knows", cure


def _weakly_signed(certificate: x509.Certificate) -> bool:
    return isinstance(certificate.signature_hash_algorithm, WEAK_HASHES)


def _out_of_time(certificate: x509.Certificate, now: datetime) -> Iterator[tuple[str, str]]:
    name = _name(certificate)
    if now >= certificate.not_valid_after_utc:
        yield f"{name} expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", "Give its successor"
    if now < certificate.not_valid_before_utc:
        start = certificate.not_valid_before_utc.astimezone(UTC)
        yield f"{name} is not valid before {start:%Y-%m-%dT%H:%M:%SZ}", "Wait for that, or look at this machine's clock"


def _path_length(certificate: x509.Certificate) -> int | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def _spki(public_key: object) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"
