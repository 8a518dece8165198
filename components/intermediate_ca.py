"""One cluster's intermediate CA, as the Secret that its istiod signs with."""

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s
import pulumi_tls as tls

from components.root_ca import HOURS_A_DAY, RootCA, private_key


@dataclass(frozen=True)
class IntermediateCAArgs:
    """Arguments of :class:`IntermediateCA`.

    Attributes:
        cluster: name of the cluster; stands in the subject, so that no two intermediates are alike.
        root: the CA that signs.
        namespace: namespace of istiod.
        algorithm: ECDSA (P-256) or RSA (4096 bits).
        validity_days: lifetime of the certificate.
    """

    cluster: str
    root: RootCA
    namespace: pulumi.Input[str]
    algorithm: Literal["ECDSA", "RSA"] = "ECDSA"
    validity_days: int = 730


class IntermediateCA(pulumi.ComponentResource):
    """Key and certificate of one cluster's CA, in the Secret ``cacerts``.

    The Secret has the four files that istiod reads: https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert.
    It has to stand before istiod starts, or istiod makes a root of its own.

    Attributes:
        cert_pem: the intermediate certificate, PEM.
        expires: end of its validity, RFC 3339.
        secret: the Secret ``cacerts``.
    """

    cert_pem: pulumi.Output[str]
    expires: pulumi.Output[str]
    secret: k8s.core.v1.Secret

    def __init__(self, name: str, args: IntermediateCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spanmesh:index:IntermediateCA", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = private_key(f"{name}-key", args.algorithm, child)
        request = tls.CertRequest(
            f"{name}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(
                common_name=f"Intermediate CA {args.cluster}",
                organization="Istio",
                locality=args.cluster,
            ),
            opts=child,
        )
        cert = tls.LocallySignedCert(
            f"{name}-cert",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=args.root.private_key_pem,
            ca_cert_pem=args.root.cert_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=args.validity_days * HOURS_A_DAY,
            allowed_uses=["digital_signature", "key_encipherment", "cert_signing", "crl_signing"],
            opts=child,
        )
        self.cert_pem = cert.cert_pem
        self.expires = cert.validity_end_time
        ca_key: pulumi.Output[str] = pulumi.Output.secret(key.private_key_pem_pkcs8)
        self.secret = k8s.core.v1.Secret(
            f"{name}-cacerts",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="cacerts", namespace=args.namespace),
            string_data={
                "ca-cert.pem": cert.cert_pem,
                "ca-key.pem": ca_key,
                "root-cert.pem": args.root.cert_pem,
                "cert-chain.pem": pulumi.Output.concat(cert.cert_pem, args.root.cert_pem),
            },
            opts=child,
        )
        self.register_outputs({"certPem": self.cert_pem, "expires": self.expires})
