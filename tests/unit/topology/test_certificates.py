"""Which given certificates are refused as the trust of a mesh, and what is said of good ones."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.authority import DAY, NOW, Authority, p256, root
from topology.certificates import (
    INTERMEDIATE_NOTICE,
    UnfitCertificateError,
    chain_to_root,
    check_answers_request,
    describe,
    expiry_warning,
)
from topology.given_trust import GivenIntermediate, GivenRoot, GivenTrust, check_provided

ROOT_KEY = "spanmesh:mesh.trust.rootCertificate"
TRUST = "spanmesh:mesh.clusters[{}].trust"
# An intermediate and its root, signed with SHA-1 by `openssl x509 -req -sha1`: `cryptography` does not do it any more.
OLD_INTERMEDIATE, OLD_ROOT = (
    f"{text}-----END CERTIFICATE-----\n"
    for text in Path(__file__).with_name("sha1_chain.pem").read_text().split("-----END CERTIFICATE-----\n")[:2]
)


@dataclass(frozen=True)
class Given:
    """What a user gives: the root's text, and certificate and key of two clusters."""

    root: str
    certificates: tuple[str, str]
    keys: tuple[str | None, str | None]

    def problems(self) -> list[tuple[str, str]]:
        intermediates = {
            name: GivenIntermediate(name, TRUST.format(n), self.certificates[n], self.keys[n])
            for n, name in enumerate(("cluster1", "cluster2"))
        }
        given = GivenTrust(GivenRoot(self.root, intermediates))
        return [(problem.key, str(problem)) for problem in check_provided(given, NOW)]

    def first(self, one: Authority, above: str = "") -> "Given":
        return replace(self, certificates=(one.pem + above, self.certificates[1]), keys=(one.key_pem, self.keys[1]))


@cache
def top() -> Authority:
    return root()


@cache
def good() -> Given:
    one, two = top().issue("Intermediate CA cluster1"), top().issue("Intermediate CA cluster2")
    return Given(top().pem, (one.pem, two.pem), (one.key_pem, two.key_pem))


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def with_root(name: str = "Acme Root", one: dict[str, Any] | None = None, **extensions: Any) -> Given:
    """A mesh under another root; ``one``: what is said of the first intermediate."""
    other = root(name, **extensions)
    intermediates = [other.issue("Intermediate CA cluster1", **(one or {})), other.issue("Intermediate CA cluster2")]
    return Given(
        other.pem,
        (intermediates[0].pem, intermediates[1].pem),
        (intermediates[0].key_pem, intermediates[1].key_pem),
    )


def under_a_policy_ca(path_length: int | None, days: int = 700) -> Given:
    policy = top().issue("Policy CA", path_length=path_length, days=days)
    return good().first(policy.issue("Intermediate CA cluster1", days=600), policy.pem)


def one_key_for_two() -> Given:
    key = p256()
    pair = [top().issue(f"Intermediate CA cluster{n}", key=key) for n in (1, 2)]
    return replace(good(), certificates=(pair[0].pem, pair[1].pem), keys=(pair[0].key_pem, pair[1].key_pem))


FIRST, SECOND = TRUST.format(0), TRUST.format(1)
BAD: dict[str, tuple[Callable[[], Given], str, list[str]]] = {
    "the root's key": (
        lambda: replace(good(), root=top().pem + top().key_pem),
        ROOT_KEY,
        ["private key", "must never see the root's key", "certificate alone"],
    ),
    "no root": (lambda: replace(good(), root="hello"), ROOT_KEY, ["no certificate can be read", "PEM"]),
    "a damaged root": (
        lambda: replace(good(), root=top().pem.replace("MII", "MIJ", 1)),
        ROOT_KEY,
        ["no certificate can be read"],
    ),
    "an intermediate for a root": (
        lambda: replace(good(), root=top().issue("Policy CA").pem),
        ROOT_KEY,
        ["CN=Policy CA is not self-signed", "issued by CN=Acme Root"],
    ),
    "a root that is no CA": (lambda: with_root(ca=False), ROOT_KEY, ["not of a CA", "CA:TRUE"]),
    "a root that may not sign": (lambda: with_root(signs=False), ROOT_KEY, ["may not sign", "keyCertSign"]),
    "an expired root": (lambda: with_root(days=-0.5), ROOT_KEY, ["CN=Acme Root expired at", "successor"]),
    "a root of the future": (lambda: with_root(since=-3), ROOT_KEY, ["not valid before", "clock"]),
    "a root with a short key": (lambda: with_root(key=rsa_key(1024)), ROOT_KEY, ["1024 bits", "2048"]),
    "a root of another algorithm": (
        lambda: with_root(key=ed25519.Ed25519PrivateKey.generate()),
        ROOT_KEY,
        ["neither RSA nor ECDSA", "P-256"],
    ),
    "an intermediate signed with SHA-1": (
        lambda: Given(OLD_ROOT, (OLD_INTERMEDIATE, good().certificates[1]), (None, None)),
        f"{FIRST}.certificate",
        ["CN=Old Intermediate is signed with SHA1", "SHA-256"],
    ),
    "a root that forbids intermediates": (
        lambda: with_root(path_length=0),
        f"{FIRST}.certificate",
        ["CN=Acme Root has pathlen:0, and 1 CA below it"],
    ),
    "a root that ends before its intermediates": (
        lambda: with_root(days=100),
        f"{FIRST}.certificate",
        ["CN=Intermediate CA cluster1 outlives CN=Acme Root"],
    ),
    "no certificate": (
        lambda: replace(good(), certificates=("-----BEGIN CERTIFICATE-----", good().certificates[1])),
        f"{FIRST}.certificate",
        ["no certificate can be read"],
    ),
    "a key beside the certificate": (
        lambda: replace(good(), certificates=(good().certificates[0] + str(good().keys[0]), good().certificates[1])),
        f"{FIRST}.certificate",
        ["holds a private key", "shown in outputs", "`key`"],
    ),
    "a workload's certificate": (
        lambda: good().first(top().issue("server.acme.example", ca=False, signs=False)),
        f"{FIRST}.certificate",
        ["CN=server.acme.example", "workload or a server", "CA:TRUE"],
    ),
    "a CA that may not sign": (
        lambda: good().first(top().issue("Intermediate CA cluster1", signs=False)),
        f"{FIRST}.certificate",
        ["may not sign", "keyCertSign"],
    ),
    "the root as the intermediate": (
        lambda: good().first(top()),
        f"{FIRST}.certificate",
        ["the root itself", "cluster1 would have to hold the root's key"],
    ),
    "an intermediate of another root": (
        lambda: good().first(root("Other Root").issue("Intermediate CA cluster1")),
        f"{FIRST}.certificate",
        ["does not lead to the root", "signed by CN=Other Root, which is not given"],
    ),
    "an intermediate of a root of the same name": (
        lambda: good().first(root("Acme Root").issue("Intermediate CA cluster1")),
        f"{FIRST}.certificate",
        ["does not lead to the root", "another CA of the name CN=Acme Root"],
    ),
    "a gap in the chain": (
        lambda: good().first(top().issue("Policy CA").issue("Intermediate CA cluster1")),
        f"{FIRST}.certificate",
        ["signed by CN=Policy CA, which is not given", "in the same text"],
    ),
    "pathlen:0 above the intermediate": (
        lambda: under_a_policy_ca(path_length=0),
        f"{FIRST}.certificate",
        ["CN=Policy CA has pathlen:0, and 1 CA below it", "pathlen:1"],
    ),
    "an issuer that ends first": (
        lambda: under_a_policy_ca(path_length=None, days=500),
        f"{FIRST}.certificate",
        ["CN=Intermediate CA cluster1 outlives CN=Policy CA"],
    ),
    "an expired intermediate": (
        lambda: good().first(top().issue("Intermediate CA cluster1", days=-0.5)),
        f"{FIRST}.certificate",
        ["CN=Intermediate CA cluster1 expired at", "successor"],
    ),
    "an intermediate of the future": (
        lambda: good().first(top().issue("Intermediate CA cluster1", since=-2)),
        f"{FIRST}.certificate",
        ["not valid before"],
    ),
    "an intermediate with a short key": (
        lambda: good().first(top().issue("Intermediate CA cluster1", key=rsa_key(1024))),
        f"{FIRST}.certificate",
        ["1024 bits"],
    ),
    "an intermediate on an old curve": (
        lambda: good().first(top().issue("Intermediate CA cluster1", key=ec.generate_private_key(ec.SECP192R1()))),
        f"{FIRST}.certificate",
        ["neither RSA nor ECDSA on a curve"],
    ),
    "cluster2's cacerts made from cluster1's files": (
        lambda: replace(good(), certificates=(good().certificates[0],) * 2, keys=(good().keys[0],) * 2),
        f"{SECOND}.certificate",
        ["the certificate of cluster1", "`cacerts` of cluster2 would be made from the files of cluster1"],
    ),
    "one key for two clusters": (
        one_key_for_two,
        f"{SECOND}.certificate",
        ["a certificate with the key of cluster1"],
    ),
    "the other cluster's key": (
        lambda: replace(good(), keys=(good().keys[0], good().keys[0])),
        f"{SECOND}.key",
        ["it is the key of cluster1: cluster cluster2"],
    ),
    "a key of nobody": (
        lambda: replace(good(), keys=(top().issue("x").key_pem, good().keys[1])),
        f"{FIRST}.key",
        ["does not belong to the certificate"],
    ),
    "no key": (
        lambda: replace(good(), keys=(good().certificates[0], good().keys[1])),
        f"{FIRST}.key",
        ["no private key can be read"],
    ),
    "an encrypted key": (
        lambda: replace(good(), keys=(top().issue("x").encrypted_key_pem(b"word"), good().keys[1])),
        f"{FIRST}.key",
        ["encrypted", "openssl pkey"],
    ),
    "a key of another algorithm": (
        lambda: replace(
            good(), keys=(top().issue("x", key=ed25519.Ed25519PrivateKey.generate()).key_pem, good().keys[1])
        ),
        f"{FIRST}.key",
        ["neither RSA nor ECDSA"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_certificates_are_refused_with_key_cause_and_cure(case: str) -> None:
    make, key, says = BAD[case]
    problems = make().problems()
    assert key in [at for at, _ in problems], problems
    about = " ".join(text for at, text in problems if at == key)
    for text in says:
        assert text in about
    assert "MII" not in about


@pytest.mark.parametrize("case", ["an encrypted key", "a key of nobody", "pathlen:0 above the intermediate"])
def test_one_fault_is_reported_once(case: str) -> None:
    assert len(BAD[case][0]().problems()) == 1


@pytest.mark.parametrize(
    "make",
    [
        good,
        lambda: with_root(key=rsa_key(2048), one={"key": rsa_key(2048), "path_length": 0}),
        lambda: with_root(path_length=1),
        lambda: under_a_policy_ca(path_length=1),
        lambda: under_a_policy_ca(path_length=None),
        lambda: replace(good(), root=root("New Root").pem + top().pem),
        lambda: replace(good(), keys=(None, None)),
        lambda: replace(good(), root=OLD_ROOT + top().pem),
    ],
    ids=["plain", "RSA", "pathlen:1", "policy CA", "open policy CA", "two roots", "keys of Pulumi", "SHA-1 root"],
)
def test_good_certificates_are_taken(make: Callable[[], Given]) -> None:
    assert make().problems() == []


def test_a_chain_goes_from_the_cluster_to_its_own_root_whatever_the_order_given() -> None:
    policy, other = top().issue("Policy CA"), root("Other Root")
    higher = policy.issue("Regional CA")
    own = higher.issue("Intermediate CA cluster1")
    chain = chain_to_root(own.pem + policy.pem + higher.pem, other.pem + top().pem)
    assert chain == [own.pem, higher.pem, policy.pem, top().pem]


def test_openssl_agrees_with_a_chain(tmp_path: Path) -> None:
    policy = top().issue("Policy CA", path_length=1)
    own = policy.issue("Intermediate CA cluster1", path_length=0)
    first, *above = chain_to_root(own.pem + policy.pem, top().pem)
    for name, text in (("first.pem", first), ("above.pem", above[0]), ("root.pem", above[1])):
        (tmp_path / name).write_text(text)
    command = ["openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "above.pem", "first.pem"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "first.pem: OK", ended.stderr


def test_a_certificate_is_described_as_openssl_does(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(top().pem)
    command = ["openssl", "x509", "-in", "root.pem", "-noout", "-fingerprint", "-sha256"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    facts = describe(top().pem)
    assert facts.sha256 == printed.strip().split("=")[1].replace(":", "").lower()
    assert facts.subject == "CN=Acme Root"
    assert facts.expires == f"{NOW + 3650 * DAY:%Y-%m-%dT%H:%M:%SZ}"


def test_a_certificate_answers_only_the_request_of_its_own_key() -> None:
    one, other = top().issue("one"), top().issue("other")
    check_answers_request(one.pem, public_pem(one))
    with pytest.raises(UnfitCertificateError, match="another key") as refused:
        check_answers_request(one.pem, public_pem(other))
    assert "this stack's request" in refused.value.cure


def public_pem(authority: Authority) -> str:
    return authority.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("days", "says"),
    [(59, "expires in 59 days"), (0.5, "expires in 0 days"), (-1, "has expired"), (61, None)],
)
def test_what_ends_soon_is_warned_of_with_the_cure(days: float, says: str | None) -> None:
    expires = f"{NOW + days * DAY:%Y-%m-%dT%H:%M:%SZ}"
    warning = expiry_warning("The intermediate", expires, NOW, INTERMEDIATE_NOTICE, "Rotate it")
    assert warning == (f"The intermediate {says}, at {expires}. Rotate it" if says else None)
