"""Whether the roots and intermediates that the user gives can be a mesh's trust. Pure: texts in, problems out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from topology.certificates import (
    UnfitCertificateError,
    chain_of,
    issued_by,
    name_of,
    parse_certificates,
    path_length,
    sha256,
    spki,
    weakly_signed,
)
from topology.errors import Problem

ROOT_KEY = "spanmesh:mesh.trust.rootCertificate"
NEW_ROOT_KEY = "spanmesh:mesh.trust.rotation.rootCertificate"
RSA_BITS = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
PRIVATE = "PRIVATE KEY-----"


@dataclass(frozen=True)
class GivenIntermediate:
    """The intermediate CA of one cluster, as the user gives it.

    Attributes:
        cluster: Istio's cluster name.
        key: path of what holds it, for example ``spanmesh:mesh.clusters[1].trust``.
        certificate: PEM: the cluster's certificate, then those between it and the root.
        private_key: PEM; None where Pulumi made the key.
    """

    cluster: str
    key: str
    certificate: str
    private_key: str | None


@dataclass(frozen=True)
class GivenRoot:
    """A root CA whose key is kept elsewhere, as the user gives it.

    Attributes:
        certificate: the root certificate, PEM; the present one may be several.
        intermediates: under it, by Istio's cluster name; a cluster whose request is not signed yet is not in it, and
            none is of a root that does not sign.
        key: path of the certificate in the stack file.
    """

    certificate: str
    intermediates: Mapping[str, GivenIntermediate] = field(default_factory=dict)
    key: str = ROOT_KEY

    @property
    def trusted(self) -> frozenset[str]:
        """Fingerprints of the certificates, SHA-256, lower-case hex."""
        return frozenset(sha256(each) for each in parse_certificates(self.certificate))

    @property
    def signing(self) -> frozenset[str]:
        """Fingerprints of those of them that the intermediates lead to; without intermediates, of all."""
        roots = parse_certificates(self.certificate)
        chains = [chain_of(parse_certificates(each.certificate), roots) for each in self.intermediates.values()]
        return frozenset(sha256(chain[-1]) for chain in chains) or self.trusted


@dataclass(frozen=True)
class GivenTrust:
    """What the user gives of a mesh's trust.

    Attributes:
        present: the present root and what stands under it; None: Pulumi makes it.
        new: the root that is to replace it; None: Pulumi makes it, or no rotation is under way.
    """

    present: GivenRoot | None = None
    new: GivenRoot | None = None


def check_provided(given: GivenTrust, now: datetime) -> list[Problem]:
    """Everything for which what is given cannot be the trust of a mesh.

    The rules: RFC 5280 sections 4.2.1.3, 4.2.1.9 and 6.1, and what istiod asks of ``cacerts``
    (https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert).

    Args:
        given: roots and intermediates.
        now: an aware time.
    """
    roots = [root for root in (given.present, given.new) if root]
    problems = [problem for root in roots for problem in _under_one_root(root, now)]
    return problems or list(_new_root_problems(given))


def _new_root_problems(given: GivenTrust) -> Iterator[Problem]:
    if given.new is None:
        return
    if len(given.new.trusted) > 1 or len(parse_certificates(given.new.certificate)) > 1:
        yield Problem(
            given.new.key,
            "it holds several certificates, and the stage decides which roots are trusted together",
            "Give the new root certificate alone",
        )
    elif given.present and given.new.trusted <= given.present.trusted:
        yield Problem(
            given.new.key,
            "it is the present root: nothing would be replaced",
            "Give another root, or take `rotation` out if the new root is the present one by now",
        )


def _under_one_root(given: GivenRoot, now: datetime) -> list[Problem]:
    problems = list(_root_problems(given.key, given.certificate, now))
    roots = [] if problems else parse_certificates(given.certificate)
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


def _public_certificates(pem: str) -> list[x509.Certificate]:
    if PRIVATE in pem:
        raise UnfitCertificateError(
            "it holds a private key, and certificates are shown in outputs and logs",
            "Keep only the certificates here; the intermediate's key belongs in `key`",
        )
    return parse_certificates(pem)


def _root_problems(key: str, pem: str, now: datetime) -> Iterator[Problem]:
    if PRIVATE in pem:
        yield Problem(
            key,
            "it holds a private key, and this program must never see the root's key",
            "Give the certificate alone. If the key lies in a repository or a log by now, make a new root",
        )
        return
    try:
        roots = parse_certificates(pem)
    except UnfitCertificateError as error:
        yield Problem(key, str(error), error.cure)
        return
    for root in roots:
        if root.subject != root.issuer or not (weakly_signed(root) or issued_by(root, root)):
            cause = f"{name_of(root)} is not self-signed: it was issued by {root.issuer.rfc4514_string()}"
            yield Problem(key, cause, "Give the certificate at the top of the chain; others belong to `certificate`")
            continue
        for cause, cure in (*_not_a_ca(root), *_weak(root), *_out_of_time(root, now)):
            yield Problem(key, cause, cure)


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
    for certificate in filter(weakly_signed, certificates):
        used = certificate.signature_hash_algorithm.name.upper() if certificate.signature_hash_algorithm else ""
        yield Problem(
            key, f"{name_of(certificate)} is signed with {used}, which istiod refuses", "Have it signed with SHA-256"
        )
        roots = []
    try:
        chain = chain_of(certificates, roots) if roots else [first]
    except UnfitCertificateError as error:
        yield Problem(key, str(error), error.cure)
        chain = [first]
    for below, certificate in enumerate(chain):
        if certificate not in roots:
            for cause, cure in (*_not_a_ca(certificate), *_weak(certificate), *_out_of_time(certificate, now)):
                yield Problem(key, cause, cure)
        if (limit := path_length(certificate)) is not None and limit < below:
            yield Problem(
                key,
                f"{name_of(certificate)} has pathlen:{limit}, and {below} CA{'s' if below > 1 else ''} below it",
                f"Have it issued with pathlen:{below} or more, or the cluster's certificate signed higher up",
            )
        if below and chain[below - 1].not_valid_after_utc > certificate.not_valid_after_utc:
            yield Problem(
                key,
                f"{name_of(chain[below - 1])} outlives {name_of(certificate)}, which signed it",
                "Have it issued so that it ends before its issuer does",
            )


def _shared(own: list[tuple[GivenIntermediate, x509.Certificate]]) -> Iterator[Problem]:
    seen: dict[bytes, tuple[str, x509.Certificate]] = {}
    for given, certificate in own:
        public = spki(certificate.public_key())
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
        public = spki(_public_half(given.private_key))
    except UnfitCertificateError as error:
        yield Problem(key, str(error), error.cure)
        return
    if public != spki(certificate.public_key()):
        owners = [other.cluster for other, theirs in own if spki(theirs.public_key()) == public]
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


def _not_a_ca(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    name = name_of(certificate)
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
    name, public = name_of(certificate), certificate.public_key()
    cure = f"Have it issued for an ECDSA key (P-256, P-384, P-521), or RSA of at least {RSA_BITS} bits"
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < RSA_BITS:
            yield f"the RSA key of {name} has {public.key_size} bits", cure
    elif not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES):
        yield f"the key of {name} is neither RSA nor ECDSA on a curve that Envoy knows", cure


def _out_of_time(certificate: x509.Certificate, now: datetime) -> Iterator[tuple[str, str]]:
    name = name_of(certificate)
    if now >= certificate.not_valid_after_utc:
        yield f"{name} expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", "Give its successor"
    if now < certificate.not_valid_before_utc:
        start = certificate.not_valid_before_utc.astimezone(UTC)
        yield f"{name} is not valid before {start:%Y-%m-%dT%H:%M:%SZ}", "Wait for that, or look at this machine's clock"
