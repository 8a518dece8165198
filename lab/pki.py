"""Keys and certificates of one region's cluster."""

import datetime
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.plan import KUBERNETES_SERVICE_ADDRESS, RegionPlan
from lab.state import write_atomically

_LIFETIME = datetime.timedelta(days=365)
_CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
_SERVER = [ExtendedKeyUsageOID.SERVER_AUTH]


def ensure_pki(folder: Path, region: RegionPlan) -> None:
    """Make what is missing of a region's keys and certificates: `<name>.key` (mode 0600) and `<name>.crt`.

    The names: ca, service-account (key and public key), apiserver, apiserver-kubelet-client, admin,
    kube-controller-manager, kube-scheduler, kube-proxy, load-balancer, and for each node `<node>` (client) and
    `<node>-serving`.
    """
    authority = _Authority(folder, f"{region.cluster}-{region.name}")
    _ensure_service_account_key(folder)
    api_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    api_addresses = [
        region.api_address,
        IPv4Address("127.0.0.1"),
        KUBERNETES_SERVICE_ADDRESS,
        region.control_plane.address,
    ]
    authority.ensure("apiserver", "kube-apiserver", usages=_SERVER, names=api_names, addresses=api_addresses)
    authority.ensure(
        "apiserver-kubelet-client", "kube-apiserver-kubelet-client", group="system:masters", usages=_CLIENT
    )
    authority.ensure("admin", "admin", group="system:masters", usages=_CLIENT)
    for program in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        authority.ensure(program, f"system:{program}", usages=_CLIENT)
    authority.ensure("load-balancer", "spanmesh:load-balancer", usages=_CLIENT)
    for node in region.nodes:
        authority.ensure(node.name, f"system:node:{node.name}", group="system:nodes", usages=_CLIENT)
        authority.ensure(f"{node.name}-serving", node.name, usages=_SERVER, names=[node.name], addresses=[node.address])


class _Authority:
    """The cluster's own certificate authority."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        key_path, certificate_path = folder / "ca.key", folder / "ca.crt"
        if not (key_path.exists() and certificate_path.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
            builder = (
                _builder(subject, subject, key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(_key_usage(authority=True), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            )
            _write(folder, "ca", key, builder.sign(key, hashes.SHA256()))
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())

    def ensure(
        self,
        file: str,
        common_name: str,
        *,
        usages: Sequence[x509.ObjectIdentifier],
        group: str | None = None,
        names: Sequence[str] = (),
        addresses: Sequence[IPv4Address] = (),
    ) -> None:
        if (self._folder / f"{file}.key").exists() and (self._folder / f"{file}.crt").exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if group:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        builder = (
            _builder(x509.Name(attributes), self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        alternatives = [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        _write(self._folder, file, key, builder.sign(self._key, hashes.SHA256()))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _ensure_service_account_key(folder: Path) -> None:
    if (folder / "service-account.pub").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder, "service-account", key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_atomically(folder / "service-account.pub", public.decode())


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    _write_key(folder, name, key)
    write_atomically(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _write_key(folder: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(folder / f"{name}.key", pem.decode(), mode=0o600)
