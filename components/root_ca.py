"""The one root CA of the mesh."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_tls as tls

HOURS_A_DAY = 24


@dataclass(frozen=True)
class RootCAArgs:
    """Arguments of :class:`RootCA`.

    Attributes:
        algorithm: ECDSA (P-256) or RSA (4096 bits).
        validity_days: lifetime of the certificate.
        protect: whether Pulumi refuses to delete key and certificate.
    """

    algorithm: Literal["ECDSA", "RSA"] = "ECDSA"
    validity_days: int = 3650
    protect: bool = True


def private_key(name: str, algorithm: Literal["ECDSA", "RSA"], opts: pulumi.ResourceOptions) -> tls.PrivateKey:
    """A CA's key: ECDSA P-256, or RSA with 4096 bits. Pulumi keeps it as a secret."""
    return tls.PrivateKey(
        name,
        algorithm=algorithm,
        ecdsa_curve="P256" if algorithm == "ECDSA" else None,
        rsa_bits=4096 if algorithm == "RSA" else None,
        opts=opts,
    )


def sha256_fingerprint(pem: str) -> str:
    """SHA-256 over the DER of one PEM certificate, in lower-case hex."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


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
        child = pulumi.ResourceOptions(parent=self, protect=args.protect)
        key = private_key(f"{name}-key", args.algorithm, child)
        cert = tls.SelfSignedCert(
            f"{name}-cert",
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=args.validity_days * HOURS_A_DAY,
            allowed_uses=["cert_signing", "crl_signing"],
            subject=tls.SelfSignedCertSubjectArgs(common_name="Root CA", organization="Istio"),
            opts=child,
        )
        self.private_key_pem = pulumi.Output.secret(key.private_key_pem)
        self.cert_pem = cert.cert_pem
        self.fingerprint = cert.cert_pem.apply(sha256_fingerprint)
        self.expires = cert.validity_end_time
        self.register_outputs(
            {
                "privateKeyPem": self.private_key_pem,
                "certPem": self.cert_pem,
                "fingerprint": self.fingerprint,
                "expires": self.expires,
            }
        )
