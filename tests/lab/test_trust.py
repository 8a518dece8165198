"""Trust in every way on one mesh: waiting for certificates, a generated root, a rotation, and a provided root.

Each is a change of the same stack; once the Secrets ``cacerts`` stand, they are only updated in place.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cli.demo import silent_cells
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.load import LoadResult, constant_requests
from live.pod_exec import pod_exec
from live.pod_log import pod_log
from live.traffic import traffic_matrix
from tests.authority import Authority, root
from tests.lab.istioctl import Istioctl
from tests.lab.kubectl import eventually
from tests.lab.stacks import LabStack
from topology.certificates import describe

pytestmark = pytest.mark.lab
CLUSTERS = ("cluster1", "cluster2")
ISTIOD = "app=istiod"
# What istiod says once it signs with what stands in `cacerts` (istio: pilot/pkg/bootstrap/istio_ca.go).
RELOADED = "updated its key and certs accordingly"


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


def reloads(access: ClusterAccess) -> int:
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        (pod,) = core.list_namespaced_pod("istio-system", label_selector=ISTIOD).items
        return pod_log(core, pod, "discovery", since_seconds=900).count(RELOADED)


def trusted(access: ClusterAccess, authority: Authority) -> bool:
    """Whether every proxy of the sample takes certificates under a root: the text that it holds is searched for it."""
    with api_client(access) as api:
        pods = client.CoreV1Api(api).list_namespaced_pod("sample").items
    dump = ["pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets"]
    held = []
    for pod in pods:
        secrets = json.loads(pod_exec(access, pod.metadata.name, "sample", "istio-proxy", dump, 10))["configs"]
        (roots,) = [each["secret"] for each in secrets if each["name"] == "ROOTCA"]
        held.append(base64.b64decode(roots["validation_context"]["trusted_ca"]["inline_bytes"]).decode())
    return all(authority.pem.strip() in text for text in held)


def up_and_reloaded(stack: LabStack, *changed: str) -> None:
    """`pulumi up`, then wait until the istiods of the changed clusters sign with their new CA."""
    before = {name: reloads(stack.accesses[name]) for name in changed}
    stack.write()
    stack.up()
    for name in changed:
        # A change of its pod makes kubelet renew the mounted Secret at once, and not within a minute or two.
        with api_client(stack.accesses[name]) as api:
            core = client.CoreV1Api(api)
            (pod,) = core.list_namespaced_pod("istio-system", label_selector=ISTIOD).items
            mark = {"metadata": {"annotations": {"test/reload": str(before[name] + 1)}}}
            core.patch_namespaced_pod(pod.metadata.name, "istio-system", mark)
    for name in changed:
        access, seen = stack.accesses[name], before[name]
        assert eventually(lambda access=access, seen=seen: reloads(access) > seen, 150), name  # type: ignore[misc]


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
    try:
        yield stack
    finally:
        stack.destroy()


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
    """A change under load, and what the requests of each cluster got during it."""

    cacerts: dict[str, CACerts]
    loads: dict[str, LoadResult]


@pytest.fixture(scope="module")
def rotated(stack: LabStack, generated: dict[str, CACerts]) -> Changed:
    """The intermediate of cluster2 rotated, and another pod of its helloworld with a certificate of the new one."""
    one, two = stack.accesses["cluster1"], stack.accesses["cluster2"]
    with constant_requests(one, "sample", 300) as from_one, constant_requests(two, "sample", 300) as from_two:
        stack.mesh["clusters"][1]["trust"] = {"request": True, "rotate": "2026-11"}
        up_and_reloaded(stack, "cluster2")
        with api_client(two) as api:
            apps = client.AppsV1Api(api)
            apps.patch_namespaced_deployment_scale("helloworld-v2", "sample", {"spec": {"replicas": 2}})
            assert eventually(lambda: ready_replicas(apps) == 2, 90)
        assert traffic_works(stack, 20)
        return Changed(all_cacerts(stack), {"cluster1": from_one.result(), "cluster2": from_two.result()})


def ready_replicas(apps: client.AppsV1Api) -> int:
    return apps.read_namespaced_deployment("helloworld-v2", "sample").status.ready_replicas or 0


@pytest.fixture(scope="module")
def provided(stack: LabStack, acme: Authority, rotated: Changed) -> Changed:
    """The mesh moved to the team's root under load: cluster1 with a key of the team's, cluster2 with Pulumi's."""
    request = stack.pulumi.outputs()["clusters"]["cluster2"]["certificateRequest"]
    given = acme.issue("Intermediate CA cluster1", path_length=0)
    (stack.project / "cluster1.pem").write_text(given.pem)
    (stack.project / "cluster1.key").write_text(given.key_pem)
    (stack.project / "cluster2.pem").write_text(acme.answer(request))
    # istiod takes another root while it runs only if one text contains the other, as it stands.
    (stack.project / "root.pem").write_text(acme.pem + rotated.cacerts["cluster1"].files["root-cert.pem"])
    one, two = stack.accesses["cluster1"], stack.accesses["cluster2"]
    with constant_requests(one, "sample", 300) as from_one, constant_requests(two, "sample", 300) as from_two:
        stack.mesh["trust"] = {"root": "provided", "rootCertificate": {"path": "root.pem"}}
        # Both roots are trusted everywhere before anybody signs under the new one: clusters do not change at once.
        for cluster in stack.mesh["clusters"]:
            own = stack.project / f"{cluster['name']}-before.pem"
            own.write_text(rotated.cacerts[cluster["name"]].files["ca-cert.pem"])
            cluster["trust"] |= {"certificate": {"path": own.name}}
        up_and_reloaded(stack, *CLUSTERS)
        assert eventually(lambda: all(trusted(access, acme) for access in (one, two)), 60)
        stack.mesh["clusters"][0]["trust"] = {"certificate": {"path": "cluster1.pem"}, "key": {"path": "cluster1.key"}}
        stack.mesh["clusters"][1]["trust"] |= {"certificate": {"path": "cluster2.pem"}}
        up_and_reloaded(stack, *CLUSTERS)
        assert eventually(lambda: traffic_works(stack), 60)
        return Changed(all_cacerts(stack), {"cluster1": from_one.result(), "cluster2": from_two.result()})


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


def test_the_knob_reissues_key_and_certificate_of_its_cluster_alone_in_place(
    generated: dict[str, CACerts], rotated: Changed, tmp_path: Path
) -> None:
    before, after = generated["cluster2"], rotated.cacerts["cluster2"]
    assert rotated.cacerts["cluster1"] == generated["cluster1"]
    assert after.uid == before.uid
    assert after.files["root-cert.pem"] == before.files["root-cert.pem"]
    for file in ("ca-key.pem", "ca-cert.pem", "cert-chain.pem"):
        assert after.files[file] != before.files[file]
    assert openssl_verifies(tmp_path, [after.files["ca-cert.pem"]], after.files["root-cert.pem"])


def test_no_request_fails_while_an_intermediate_is_rotated(rotated: Changed) -> None:
    for load in rotated.loads.values():
        assert load.failures == []
        assert load.sent > 20
        assert set(load.answers) == set(CLUSTERS)


def test_workloads_get_certificates_of_the_rotated_intermediate(
    stack: LabStack, rotated: Changed, istioctl: Istioctl, tmp_path: Path
) -> None:
    with api_client(stack.accesses["cluster2"]) as api:
        pods = client.CoreV1Api(api).list_namespaced_pod("sample", label_selector="app=helloworld").items
    newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
    said = json.loads(
        istioctl.run("cluster2", "proxy-config", "secret", f"{newest.metadata.name}.sample", "-o", "json")
    )
    (own,) = [each["secret"] for each in said["dynamicActiveSecrets"] if each["name"] == "default"]
    chain = certificates(base64.b64decode(own["tlsCertificate"]["certificateChain"]["inlineBytes"]).decode())
    files = rotated.cacerts["cluster2"].files
    assert chain[1] == files["ca-cert.pem"]
    assert openssl_verifies(tmp_path, chain, files["root-cert.pem"])


def test_a_running_mesh_moves_to_a_provided_root_and_no_request_fails(
    stack: LabStack, rotated: Changed, provided: Changed, acme: Authority, tmp_path: Path
) -> None:
    for name in CLUSTERS:
        before, after = rotated.cacerts[name], provided.cacerts[name]
        assert after.uid == before.uid
        assert openssl_verifies(tmp_path / name, [after.files["ca-cert.pem"]], acme.pem)
        assert provided.loads[name].failures == []
        assert provided.loads[name].sent > 20
    assert provided.cacerts["cluster1"].files["ca-key.pem"] == (stack.project / "cluster1.key").read_text()
    assert provided.cacerts["cluster2"].files["ca-key.pem"] == rotated.cacerts["cluster2"].files["ca-key.pem"]
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
