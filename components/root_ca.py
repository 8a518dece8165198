"""The one root CA of the mesh."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pulumi
import pulumi_tls as tls

from topology.certificates import ROOT_NOTICE, describe, expiry_warning

HOURS_A_DAY = 24
Algorithm = Literal["ECDSA", "RSA"]


@dataclass(frozen=True)
class RootCAArgs:
    """Arguments of :class:`RootCA`.

    Attributes:
        algorithm: ECDSA (P-256) or RSA.
        rsa_bits: length of an RSA key.
        validity_days: lifetime of the certificate.
        protect: whether Pulumi refuses to delete key and certificate.
        common_name: its subject's; two roots that are trusted together are told apart by it.
        as_made: where it stands, another algorithm, length or lifetime is no change: they are its successor's.
    """

    algorithm: Algorithm = "ECDSA"
    rsa_bits: int = 4096
    validity_days: int = 3650
    protect: bool = True
    common_name: str = "Root CA"
    as_made: bool = False


def private_key(name: str, algorithm: Algorithm, rsa_bits: int, opts: pulumi.ResourceOptions) -> tls.PrivateKey:
    """A CA's key: ECDSA P-256, or RSA with ``rsa_bits``. Pulumi keeps it as a secret."""
    return tls.PrivateKey(
        name,
        algorithm=algorithm,
        ecdsa_curve="P256" if algorithm == "ECDSA" else None,
        rsa_bits=rsa_bits if algorithm == "RSA" else None,
        opts=opts,
    )


def path_length(length: int) -> dict[str, Any]:
    """The argument by which a certificate says how many CAs may stand below it; none before pulumi-tls 5.3."""
    return {"max_path_length": length} if hasattr(tls.SelfSignedCertArgs, "max_path_length") else {}


def sha256_fingerprint(pem: str) -> str:
    """SHA-256 over the DER of one PEM certificate, in lower-case hex."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def warn_of_expiry(
    whose: str, expires: pulumi.Input[str], notice: timedelta, cure: str, resource: pulumi.Resource
) -> None:
    """Have preview and update warn where a certificate ends within ``notice``."""

    def warn(end: str) -> None:
        if warning := expiry_warning(whose, end, datetime.now(UTC), notice, cure):
            pulumi.log.warn(warning, resource)

    pulumi.Output.from_input(expires).apply(warn)


class RootCA(pulumi.ComponentResource):
    """A root CA that Pulumi generates and keeps encrypted in its state.

    Attributes:
        private_key_pem: the root's key (secret).
        cert_pem: the root certificate, PEM.
        fingerprint: SHA-256 of the certificate, lower-case hex.
        expires: end of its validity, RFC 3339.
    """

    private_key_pem: pulumi.Output[str]
    cert_pem: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    expires: pulumi.Output[str]

    def __init__(self, name: str, args: RootCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:RootCA", name, None, opts)
        key = private_key(
            f"{name}-key",
            args.algorithm,
            args.rsa_bits,
            pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                ignore_changes=["algorithm", "ecdsaCurve", "rsaBits"] if args.as_made else [],
            ),
        )
        cert = tls.SelfSignedCert(
            f"{name}-cert",
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=args.validity_days * HOURS_A_DAY,
            allowed_uses=["cert_signing", "crl_signing"],
            subject=tls.SelfSignedCertSubjectArgs(common_name=args.common_name, organization="Istio"),
            # One CA below: the clusters' intermediates, which can therefore make no further ones.
            **path_length(1),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                # A newer SDK must not replace the root of a mesh that stands.
                ignore_changes=["maxPathLength", *(["validityPeriodHours"] if args.as_made else [])],
            ),
        )
        self.private_key_pem = pulumi.Output.secret(key.private_key_pem)
        self.cert_pem = cert.cert_pem
        self.fingerprint = cert.cert_pem.apply(sha256_fingerprint)
        self.expires = cert.validity_end_time
        warn_of_expiry("The root certificate", self.expires, ROOT_NOTICE, "Plan its successor", self)
        self.register_outputs(
            {
                "privateKeyPem": self.private_key_pem,
                "certPem": self.cert_pem,
                "fingerprint": self.fingerprint,
                "expires": self.expires,
            }
        )


@dataclass(frozen=True)
class ProvidedRootCAArgs:
    """Arguments of :class:`ProvidedRootCA`.

    Attributes:
        cert_pem: the root certificate, PEM; several while a root is being replaced, the present one first.
    """

    cert_pem: str


class ProvidedRootCA(pulumi.ComponentResource):
    """The certificate of a root CA whose key is kept elsewhere, and never seen here.

    Attributes:
        cert_pem: as given.
        fingerprint: SHA-256 of the (first) certificate, lower-case hex.
        expires: end of its validity, RFC 3339.
    """

    cert_pem: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    expires: pulumi.Output[str]

    def __init__(self, name: str, args: ProvidedRootCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:ProvidedRootCA", name, None, opts)
        facts = describe(args.cert_pem)
        self.cert_pem = pulumi.Output.from_input(args.cert_pem)
        self.fingerprint = pulumi.Output.from_input(facts.sha256)
        self.expires = pulumi.Output.from_input(facts.expires)
        warn_of_expiry("The root certificate", self.expires, ROOT_NOTICE, "Plan its successor", self)
        self.register_outputs({"certPem": self.cert_pem, "fingerprint": self.fingerprint, "expires": self.expires})
