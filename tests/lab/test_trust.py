"""Trust in every way on one mesh: waiting for certificates, a generated root, and a provided root after it.

Each is a change of the same stack; once the Secrets ``cacerts`` stand, they are only updated in place.
"""

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from cli.demo import silent_cells
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.load.constant import LoadResult, constant_requests
from live.load.traffic import traffic_matrix
from tests.authority import Authority, root
from tests.lab.kubectl import eventually
from tests.lab.nothing_left import nothing_left
from tests.lab.rotation.command import Ended, rotate
from tests.lab.stacks import LabStack
from topology.certificates import describe

pytestmark = pytest.mark.lab
CLUSTERS = ("cluster1", "cluster2")


@dataclass(frozen=True)
class CACerts:
    """The Secret ``cacerts`` of one cluster."""

    uid: str
    files: dict[str, str]


def cacerts(access: ClusterAccess) -> CACerts:
    with api_client(access) as api:
        secret = client.CoreV1Api(api).read_namespaced_secret("cacerts", "istio-system")
    files = {name: base64.b64decode(value).decode() for name, value in secret.data.items()}
    return CACerts(secret.metadata.uid, files)


def all_cacerts(stack: LabStack) -> dict[str, CACerts]:
    return {name: cacerts(access) for name, access in stack.accesses.items()}


def traffic_works(stack: LabStack, requests: int = 10) -> bool:
    gateways = {n: c["eastWest"]["addresses"] for n, c in stack.pulumi.outputs()["clusters"].items()}
    rows = traffic_matrix(stack.accesses, "sample", gateways, requests)
    return silent_cells(stack.load().mesh, rows) == []


def openssl_verifies(folder: Path, chain: list[str], root_pem: str) -> bool:
    """Whether the first certificate of a chain leads to the root, over the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("first.pem", chain[0]), ("others.pem", "".join(chain[1:])), ("root.pem", root_pem)):
        (folder / name).write_text(text)
    untrusted = ["-untrusted", "others.pem"] if len(chain) > 1 else []
    command = ["openssl", "verify", "-x509_strict", "-CAfile", "root.pem", *untrusted, "first.pem"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ended.stdout.strip() == "first.pem: OK"


def certificates(pem: str) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [text + end for text in pem.split(end) if text.strip()]


@pytest.fixture(scope="module")
def acme() -> Authority:
    """The root CA of a security team; only its certificate leaves this process."""
    return root(path_length=1)


@pytest.fixture(scope="module")
def stack(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStack]:
    stack = LabStack.make(tmp_path_factory.mktemp("trust"), environment)
    with nothing_left(stack):
        yield stack


@pytest.fixture(scope="module")
def waiting(stack: LabStack, acme: Authority) -> dict[str, Any]:
    """Outputs while both clusters wait for their certificates."""
    (stack.project / "root.pem").write_text(acme.pem)
    stack.mesh["trust"] = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
    for cluster in stack.mesh["clusters"]:
        cluster["trust"] = {"request": True}
    stack.write()
    stack.up()
    return stack.pulumi.outputs()


@pytest.fixture(scope="module")
def generated(stack: LabStack, waiting: dict[str, Any]) -> dict[str, CACerts]:
    """The mesh brought up under a root that Pulumi makes."""
    stack.mesh["trust"] = {"root": "generated", "protect": False}
    stack.write()
    stack.up()
    assert eventually(lambda: traffic_works(stack), 60)
    return all_cacerts(stack)


@dataclass(frozen=True)
class Changed:
    """A change of the root under load, what the requests of each cluster got during it, and the command's two runs."""

    cacerts: dict[str, CACerts]
    loads: dict[str, LoadResult]
    stopped: Ended
    ended: Ended


@pytest.fixture(scope="module")
def provided(stack: LabStack, acme: Authority, generated: dict[str, CACerts]) -> Changed:
    """The mesh moved to the team's root under load: cluster1 with a key of the team's, cluster2 with Pulumi's."""
    request = stack.pulumi.outputs()["clusters"]["cluster2"]["certificateRequest"]
    given = acme.issue("Intermediate CA cluster1", path_length=0)
    (stack.project / "cluster1.pem").write_text(given.pem)
    (stack.project / "cluster1.key").write_text(given.key_pem)
    (stack.project / "cluster2.pem").write_text(acme.answer(request))
    one, two = stack.accesses["cluster1"], stack.accesses["cluster2"]
    with constant_requests(one, "sample", 1800) as from_one, constant_requests(two, "sample", 1800) as from_two:
        stopped = rotate(stack, "root", "--to", "provided", "--root-certificate", "root.pem")
        stack.config = yaml.safe_load(stack.path.read_text())["config"]
        own = {"certificate": {"path": "cluster1.pem"}, "key": {"path": "cluster1.key"}}
        stack.mesh["clusters"][0]["trust"] = {"next": own}
        stack.mesh["clusters"][1]["trust"] |= {"next": {"certificate": {"path": "cluster2.pem"}}}
        stack.write()
        ended = rotate(stack, "root")
        stack.config = yaml.safe_load(stack.path.read_text())["config"]
        loads = {"cluster1": from_one.result(), "cluster2": from_two.result()}
        return Changed(all_cacerts(stack), loads, stopped, ended)


def test_a_cluster_that_waits_for_its_certificate_has_a_key_and_a_request_and_no_istio(
    stack: LabStack, waiting: dict[str, Any], acme: Authority
) -> None:
    assert waiting["root"]["sha256"] == describe(acme.pem).sha256
    for name, access in stack.accesses.items():
        assert waiting["clusters"][name]["intermediate"] is None
        request = waiting["clusters"][name]["certificateRequest"]
        shown = subprocess.run(
            ["openssl", "req", "-noout", "-verify", "-subject"],
            input=request,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"Intermediate CA {name}" in shown.stdout
        with api_client(access) as api:
            assert client.AppsV1Api(api).list_namespaced_deployment("istio-system").items == []
            secrets = client.CoreV1Api(api).list_namespaced_secret("istio-system").items
            assert "cacerts" not in [secret.metadata.name for secret in secrets]


def test_the_new_root_does_not_sign_before_every_cluster_has_its_intermediate_under_it(provided: Changed) -> None:
    assert provided.stopped.code == 1
    assert provided.stopped.result["stage"] == "both-trusted"
    keys = [each.partition(": missing")[0] for each in provided.stopped.result["lacking"]]
    assert keys == [f"spanmesh:mesh.clusters[{place}].trust.next.certificate" for place in range(2)]
    assert provided.ended.code == 0, provided.ended.said


def test_a_running_mesh_moves_to_a_provided_root_and_no_request_fails(
    stack: LabStack, generated: dict[str, CACerts], provided: Changed, acme: Authority, tmp_path: Path
) -> None:
    for name in CLUSTERS:
        before, after = generated[name], provided.cacerts[name]
        assert after.uid == before.uid
        assert openssl_verifies(tmp_path / name, [after.files["ca-cert.pem"]], acme.pem)
        assert provided.loads[name].failures == []
        assert provided.loads[name].sent > 20
    assert provided.cacerts["cluster1"].files["ca-key.pem"] == (stack.project / "cluster1.key").read_text()
    assert provided.cacerts["cluster2"].files["ca-key.pem"] == generated["cluster2"].files["ca-key.pem"]
    outputs = stack.pulumi.outputs()
    assert outputs["root"]["sha256"] == describe(acme.pem).sha256
    for name in CLUSTERS:
        facts = describe(provided.cacerts[name].files["ca-cert.pem"])
        assert outputs["clusters"][name]["intermediate"] == {"sha256": facts.sha256, "expires": facts.expires}


def test_no_ca_key_stands_in_the_state_but_encrypted_and_none_of_a_provided_root_at_all(
    stack: LabStack, provided: Changed, acme: Authority
) -> None:
    keys = [provided.cacerts[name].files["ca-key.pem"] for name in CLUSTERS]
    decrypted = stack.attempt("stack", "export", "--show-secrets").stdout
    assert [holds(decrypted, key) for key in keys] == [True, True]
    assert not holds(decrypted, acme.key_pem)
    state = stack.attempt("stack", "export").stdout
    backend = "".join(path.read_text(errors="replace") for path in (stack.project / "backend").rglob("*.json"))
    for text in (state, backend):
        assert '"urn:pulumi:' in text
        assert "PRIVATE KEY" not in text
        assert [holds(text, key) for key in keys] == [False, False]


def holds(text: str, key_pem: str) -> bool:
    """Whether a key stands in a text: a line of its PEM, or all of it in base64 as in the data of a Secret."""
    lines = [line for line in key_pem.splitlines() if "-" not in line]
    return any(line in text for line in lines) or base64.b64encode(key_pem.encode()).decode() in text


def test_a_certificate_of_another_key_is_refused_with_the_request_to_sign(
    stack: LabStack, provided: Changed, acme: Authority
) -> None:
    (stack.project / "other.pem").write_text(acme.issue("Intermediate CA cluster2", path_length=0).pem)
    refused = previewed(stack, {**stack.mesh["clusters"][1]["trust"], "certificate": {"path": "other.pem"}})
    assert "trust.certificate of cluster cluster2" in refused
    assert "belongs to another key" in refused
    assert "BEGIN CERTIFICATE REQUEST" in refused


def test_a_running_cluster_is_not_left_without_its_ca_for_the_time_of_a_request(
    stack: LabStack, provided: Changed
) -> None:
    refused = previewed(stack, {"request": True})
    assert "spanmesh:mesh.clusters[1].trust.certificate: missing, and cluster cluster2 runs with a CA" in refused


def previewed(stack: LabStack, trust: dict[str, Any]) -> str:
    """What a preview says that has to fail, with another trust of cluster2."""
    kept = stack.mesh["clusters"][1]["trust"]
    stack.mesh["clusters"][1]["trust"] = trust
    stack.write()
    try:
        ended = stack.attempt("preview")
    finally:
        stack.mesh["clusters"][1]["trust"] = kept
        stack.write()
    assert ended.returncode != 0
    return ended.stdout
