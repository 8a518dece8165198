"""The ways in which a cluster gets its CA: what stands in ``cacerts``, what is secret, what is refused."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pulumi
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from packaging.version import Version

from components.intermediate_ca import (
    ClusterCA,
    IntermediateCA,
    IntermediateCAArgs,
    IntermediateRequest,
    IntermediateRequestArgs,
    ProvidedIntermediateCA,
    ProvidedIntermediateCAArgs,
    RequestedIntermediateCA,
    RequestedIntermediateCAArgs,
)
from components.root_ca import ProvidedRootCA, ProvidedRootCAArgs, RootCA, RootCAArgs
from tests.authority import Authority, p256, root
from tests.unit.components.recording import Recorder, opened, record
from topology.certificates import describe

ACME = root()
POLICY = ACME.issue("Policy CA", path_length=1)
PULUMIS_KEY = p256()


@pytest.fixture(autouse=True)
def real_certificates() -> Iterator[None]:
    """Have the recorder make keys and certificates that can be read."""
    of_recorder = Recorder.new_resource

    def new_resource(self: Recorder, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        name, outputs = of_recorder(self, args)
        if args.typ.endswith(":PrivateKey"):
            public = PULUMIS_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            outputs["publicKeyPem"] = public.decode()
        if args.typ.endswith("Cert"):
            outputs["certPem"] = ACME.pem if "root" in args.name else POLICY.pem
        return name, outputs

    patch = pytest.MonkeyPatch()
    patch.setattr(Recorder, "new_resource", new_resource)
    yield
    patch.undo()


def facts(ca: ClusterCA) -> dict[str, Any]:
    return {"cert": ca.cert_pem, "sha256": ca.fingerprint, "expires": ca.expires}


def generated() -> dict[str, Any]:
    made = RootCA("root", RootCAArgs(algorithm="RSA", rsa_bits=3072))
    return facts(IntermediateCA("one", IntermediateCAArgs("cluster1", made, "istio-system", "RSA", 2048)))


def provided(one: Authority, above: str = "") -> Callable[[], dict[str, Any]]:
    def program() -> dict[str, Any]:
        given = ProvidedRootCA("root", ProvidedRootCAArgs(ACME.pem))
        args = ProvidedIntermediateCAArgs("cluster1", given, "istio-system", one.pem + above, one.key_pem)
        return facts(ProvidedIntermediateCA("one", args)) | {"root": given.fingerprint, "ends": given.expires}

    return program


def requested(certificate: str) -> Callable[[], dict[str, Any]]:
    def program() -> dict[str, Any]:
        given = ProvidedRootCA("root", ProvidedRootCAArgs(ACME.pem))
        args = RequestedIntermediateCAArgs("cluster1", given, "istio-system", certificate)
        made = RequestedIntermediateCA("one", args)
        return facts(made) | {"request": made.request_pem}

    return program


def test_a_provided_intermediate_fills_the_four_files_and_its_key_is_a_secret() -> None:
    own = POLICY.issue("Intermediate CA cluster1")
    recorder, said = record(provided(own, POLICY.pem))
    assert opened(recorder.named("one-cacerts").inputs["stringData"]) == {
        "ca-cert.pem": own.pem,
        "ca-key.pem": own.key_pem,
        "root-cert.pem": ACME.pem,
        "cert-chain.pem": own.pem + POLICY.pem + ACME.pem,
    }
    about = describe(own.pem)
    assert said == {
        "cert": own.pem,
        "sha256": about.sha256,
        "expires": about.expires,
        "root": describe(ACME.pem).sha256,
        "ends": describe(ACME.pem).expires,
    }


def test_nothing_makes_a_key_where_root_and_intermediates_are_provided() -> None:
    recorder, _ = record(provided(ACME.issue("Intermediate CA cluster1")))
    assert {r.type for r in recorder.resources if not r.type.startswith(("spanmesh", "pulumi:"))} == {
        "kubernetes:core/v1:Secret"
    }


def test_while_there_is_no_certificate_only_key_and_request_exist() -> None:
    recorder, said = record(
        lambda: IntermediateRequest("one", IntermediateRequestArgs("cluster1", "RSA", 3072)).request_pem
    )
    assert said == "REQUEST one-request"
    assert sorted(r.type.split(":")[-1] for r in recorder.resources if r.type.startswith(("tls", "kubernetes"))) == [
        "CertRequest",
        "PrivateKey",
    ]
    assert recorder.named("one-key").inputs["rsaBits"] == 3072
    assert recorder.named("one-request").inputs["subject"]["commonName"] == "Intermediate CA cluster1"


def test_a_signed_request_is_installed_with_the_key_that_pulumi_made() -> None:
    signed = ACME.issue("Intermediate CA cluster1", key=PULUMIS_KEY)
    recorder, said = record(requested(signed.pem))
    assert opened(recorder.named("one-cacerts").inputs["stringData"]) == {
        "ca-cert.pem": signed.pem,
        "ca-key.pem": "PKCS8 one-key",
        "root-cert.pem": ACME.pem,
        "cert-chain.pem": signed.pem + ACME.pem,
    }
    assert said["request"] == "REQUEST one-request"


def test_every_way_ends_in_one_secret_by_one_name_so_that_a_change_of_way_updates_it() -> None:
    own = ACME.issue("Intermediate CA cluster1", key=PULUMIS_KEY)
    programs = [generated, provided(own), requested(own.pem)]
    made = [record(program)[0] for program in programs]
    assert {(r.type, r.name) for m in made for r in m.of("Secret")} == {("kubernetes:core/v1:Secret", "one-cacerts")}
    assert {r.type for m in made for r in m.resources if r.name == "one"} == {"spanmesh:index:IntermediateCA"}


def test_the_length_of_rsa_keys_is_the_users() -> None:
    recorder, _ = record(generated)
    assert recorder.named("root-key").inputs["rsaBits"] == 3072
    assert recorder.named("one-key").inputs["rsaBits"] == 2048


def test_path_lengths_are_set_where_the_sdk_knows_them() -> None:
    recorder, _ = record(generated)
    known = Version(version("pulumi-tls")) >= Version("5.3")
    assert recorder.named("root-cert").inputs.get("maxPathLength") == (1 if known else None)
    assert recorder.named("one-cert").inputs.get("maxPathLength") == (0 if known else None)
