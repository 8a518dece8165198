"""One cluster's intermediate CA, as the Secret that its istiod signs with, in the three ways in which it comes about.

All ways have one type and one name in Pulumi's state, so that a change of the way updates the Secret in place.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import pulumi_tls as tls

from components import root_ca
from components.root_ca import (
    HOURS_A_DAY,
    Algorithm,
    ProvidedRootCA,
    RootCA,
    path_length,
    private_key,
    warn_of_expiry,
)
from topology.certificates import (
    INTERMEDIATE_NOTICE,
    UnfitCertificateError,
    chain_to_root,
    check_answers_request,
    describe,
)

TYPE = "spanmesh:index:IntermediateCA"


class ClusterCA(pulumi.ComponentResource):
    """Key and certificate of one cluster's CA, in the Secret ``cacerts``.

    The Secret has the four files that istiod reads: https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert.
    It has to stand before istiod starts, or istiod makes a root of its own.

    Attributes:
        cert_pem: the intermediate certificate, PEM.
        fingerprint: SHA-256 of the certificate, lower-case hex.
        expires: end of its validity, RFC 3339.
        secret: the Secret ``cacerts``.
    """

    cert_pem: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    expires: pulumi.Output[str]
    secret: k8s.core.v1.Secret

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(TYPE, name, None, opts)

    def _install(
        self,
        name: str,
        *,
        cluster: str,
        namespace: pulumi.Input[str],
        root_pem: pulumi.Input[str],
        chain_pem: pulumi.Input[str],
        key_pem: pulumi.Input[str],
        renewal: str,
    ) -> None:
        """Make the Secret of a certificate (``self.cert_pem``) and its key, and register the outputs.

        Args:
            name: the component's name.
            cluster: for messages.
            namespace: namespace of istiod.
            root_pem: the roots that are trusted.
            chain_pem: the certificate and those above it, the root last.
            key_pem: the certificate's key.
            renewal: how to have a new certificate.
        """
        self.fingerprint = self.cert_pem.apply(root_ca.sha256_fingerprint)
        ca_key: pulumi.Output[str] = pulumi.Output.secret(key_pem)
        self.secret = k8s.core.v1.Secret(
            f"{name}-cacerts",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="cacerts", namespace=namespace),
            string_data={
                "ca-cert.pem": self.cert_pem,
                "ca-key.pem": ca_key,
                "root-cert.pem": root_pem,
                "cert-chain.pem": chain_pem,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        warn_of_expiry(f"The intermediate of cluster {cluster}", self.expires, INTERMEDIATE_NOTICE, renewal, self)
        self.register_outputs({"certPem": self.cert_pem, "fingerprint": self.fingerprint, "expires": self.expires})


@dataclass(frozen=True)
class IntermediateCAArgs:
    """Arguments of :class:`IntermediateCA`.

    Attributes:
        cluster: name of the cluster; stands in the subject, so that no two intermediates are alike.
        root: the CA that signs.
        namespace: namespace of istiod.
        algorithm: ECDSA (P-256) or RSA.
        rsa_bits: length of an RSA key.
        validity_days: lifetime of the certificate.
        rotate: any text; another one makes a new key and certificate.
        trusted: the roots that are trusted, PEM; None: the one that signs.
    """

    cluster: str
    root: RootCA
    namespace: pulumi.Input[str]
    algorithm: Algorithm = "ECDSA"
    rsa_bits: int = 4096
    validity_days: int = 730
    rotate: str = ""
    trusted: pulumi.Input[str] | None = None


class IntermediateCA(ClusterCA):
    """An intermediate that Pulumi makes, and the generated root signs.

    Attributes:
        request_pem: its certificate request, PEM, for a root to come.
    """

    request_pem: pulumi.Output[str]

    def __init__(self, name: str, args: IntermediateCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        key, request = _request(name, args, self)
        self.request_pem = request.cert_request_pem
        cert = tls.LocallySignedCert(
            f"{name}-cert",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=args.root.private_key_pem,
            ca_cert_pem=args.root.cert_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=args.validity_days * HOURS_A_DAY,
            allowed_uses=["digital_signature", "key_encipherment", "cert_signing", "crl_signing"],
            **path_length(0),
            # A newer SDK must not reissue every cluster's certificate at once.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["maxPathLength"]),
        )
        self.cert_pem = cert.cert_pem
        self.expires = cert.validity_end_time
        self._install(
            name,
            cluster=args.cluster,
            namespace=args.namespace,
            root_pem=args.root.cert_pem if args.trusted is None else args.trusted,
            chain_pem=pulumi.Output.concat(cert.cert_pem, args.root.cert_pem),
            key_pem=key.private_key_pem_pkcs8,
            renewal="Change its `trust.rotate` and run `pulumi up`",
        )


@dataclass(frozen=True)
class ProvidedIntermediateCAArgs:
    """Arguments of :class:`ProvidedIntermediateCA`.

    Attributes:
        cluster: name of the cluster.
        root: the root whose certificate is given too.
        namespace: namespace of istiod.
        certificate: PEM: the cluster's certificate, then those between it and the root.
        private_key: the certificate's key, PEM.
        trusted: the roots that are trusted, PEM; None: the one that is given.
    """

    cluster: str
    root: ProvidedRootCA
    namespace: pulumi.Input[str]
    certificate: str
    private_key: str
    trusted: pulumi.Input[str] | None = None


class ProvidedIntermediateCA(ClusterCA):
    """An intermediate that was made elsewhere, its key with it."""

    def __init__(self, name: str, args: ProvidedIntermediateCAArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        self.cert_pem, self.expires, chain = _given(args.certificate, args.root)
        self._install(
            name,
            cluster=args.cluster,
            namespace=args.namespace,
            root_pem=args.root.cert_pem if args.trusted is None else args.trusted,
            chain_pem=chain,
            key_pem=args.private_key,
            renewal="Give another `trust.certificate` and `trust.key`",
        )


@dataclass(frozen=True)
class IntermediateRequestArgs:
    """Arguments of :class:`IntermediateRequest`.

    Attributes:
        cluster: name of the cluster; stands in the subject.
        algorithm: ECDSA (P-256) or RSA.
        rsa_bits: length of an RSA key.
        rotate: any text; another one makes a new key and request.
    """

    cluster: str
    algorithm: Algorithm = "ECDSA"
    rsa_bits: int = 4096
    rotate: str = ""


class IntermediateRequest(pulumi.ComponentResource):
    """A key that Pulumi makes and the request to sign it: what there is while there is no certificate yet.

    Attributes:
        request_pem: the certificate request, PEM.
    """

    request_pem: pulumi.Output[str]

    def __init__(self, name: str, args: IntermediateRequestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TYPE, name, None, opts)
        _, request = _request(name, args, self)
        self.request_pem = request.cert_request_pem
        self.register_outputs({"requestPem": self.request_pem})


@dataclass(frozen=True)
class RequestedIntermediateCAArgs:
    """Arguments of :class:`RequestedIntermediateCA`.

    Attributes:
        cluster: name of the cluster; stands in the subject.
        root: the root whose certificate is given too.
        namespace: namespace of istiod.
        certificate: PEM: what was signed from the request, then those between it and the root.
        algorithm: ECDSA (P-256) or RSA.
        rsa_bits: length of an RSA key.
        rotate: any text; another one makes a new key and request, and no certificate of the old key fits any more.
        trusted: the roots that are trusted, PEM; None: the one that is given.
    """

    cluster: str
    root: ProvidedRootCA
    namespace: pulumi.Input[str]
    certificate: str
    algorithm: Algorithm = "ECDSA"
    rsa_bits: int = 4096
    rotate: str = ""
    trusted: pulumi.Input[str] | None = None


class RequestedIntermediateCA(ClusterCA):
    """An intermediate whose key Pulumi made and whose certificate was signed elsewhere, from the exported request.

    The key stays when a new certificate is signed from the same request.

    Attributes:
        request_pem: the certificate request, PEM.
    """

    request_pem: pulumi.Output[str]

    def __init__(
        self, name: str, args: RequestedIntermediateCAArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        key, request = _request(name, args, self)
        self.request_pem = request.cert_request_pem

        def of_this_key(made: list[str]) -> str:
            private_key_pem, public_key_pem, request_pem = made
            try:
                check_answers_request(args.certificate, public_key_pem)
            except UnfitCertificateError as error:
                raise pulumi.RunError(
                    f"trust.certificate of cluster {args.cluster}: {error}. {error.cure}:\n{request_pem}"
                ) from error
            return private_key_pem

        self.cert_pem, self.expires, chain = _given(args.certificate, args.root)
        self._install(
            name,
            cluster=args.cluster,
            namespace=args.namespace,
            root_pem=args.root.cert_pem if args.trusted is None else args.trusted,
            chain_pem=chain,
            key_pem=pulumi.Output.all(key.private_key_pem_pkcs8, key.public_key_pem, request.cert_request_pem).apply(
                of_this_key
            ),
            renewal="Have its request signed again, and give the new `trust.certificate`",
        )


def _request(
    name: str,
    args: IntermediateCAArgs | IntermediateRequestArgs | RequestedIntermediateCAArgs,
    parent: pulumi.Resource,
) -> tuple[tls.PrivateKey, tls.CertRequest]:
    """The key and the request for it: by the same names in every way, so that a change of the way keeps the key."""
    key = private_key(
        f"{name}-key",
        args.algorithm,
        args.rsa_bits,
        # Always given: what the engine has not yet recorded is no change to it.
        pulumi.ResourceOptions(parent=parent, replacement_trigger=args.rotate),
    )
    request = tls.CertRequest(
        f"{name}-request",
        private_key_pem=key.private_key_pem,
        subject=tls.CertRequestSubjectArgs(
            common_name=f"Intermediate CA {args.cluster}",
            organization="Istio",
            locality=args.cluster,
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return key, request


def _given(certificate: str, root: ProvidedRootCA) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
    """Certificate, end of its validity, and chain to the root, of a text with the certificate and those above it."""
    chain = root.cert_pem.apply(lambda root_pem: chain_to_root(certificate, root_pem))
    first = chain.apply(lambda certificates: certificates[0])
    return first, first.apply(lambda pem: describe(pem).expires), chain.apply("".join)
