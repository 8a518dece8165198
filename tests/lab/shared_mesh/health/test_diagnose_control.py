"""What is wrong with clusters, remote access, trust and names is named by its code and cluster, and gone once undone.

Clocks that disagree are made in tests/lab/faults/test_wrong_clock.py.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from cli.app import app
from health.check import Result
from health.checks import CHECKS
from health.examination import examine
from live.kubeconfig import ClusterAccess
from live.observed import observe
from tests.lab.kubectl import Kubectl, eventually, in_machine
from tests.lab.shared_mesh.mirrored import Mirrored
from topology import Mesh

pytestmark = pytest.mark.lab

SYSTEM = ("-n", "istio-system")
REMOTE, CACERTS = "secret/istio-remote-clusters", "secret/cacerts"
NETWORK = "topology.istio.io/network"
PAIR = "cluster1 -> cluster2"
ISTIOD = "deployment/istiod"
# What these tests make wrong; what the mesh's traffic and workloads say of it meanwhile is another file's.
OWN = ("SM61", "SM62", "SM63", "SM65")


@dataclass(frozen=True)
class Patient:
    """The mesh, and what is wrong with it."""

    mirrored: Mirrored
    mesh: Mesh
    accesses: Mapping[str, ClusterAccess]

    def examined(self) -> list[Result]:
        """What every check says now."""
        return list(examine(observe(self.mesh, self.accesses), [each for each in CHECKS if not each.check.probe]))

    def findings(self) -> dict[tuple[str, str], Result]:
        """By code and place, what is wrong now."""
        own = [each for each in self.examined() if each.cause and each.cause.code.startswith(OWN)]
        return {(each.cause.code, each.where): each for each in own if each.cause}

    def healthy(self) -> bool:
        """Whether nothing is."""
        return not self.findings()

    def finds(self, code: str, where: str) -> Callable[[], bool]:
        """Whether this alone is wrong."""
        return lambda: set(self.findings()) == {(code, where)}

    def kubectl(self, cluster: str) -> Kubectl:
        """kubectl on one cluster."""
        return self.mirrored.kubectl(cluster)

    @contextmanager
    def changed(self, cluster: str, name: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
        """A Secret of istio-system that may be changed, or deleted; as it was afterwards.

        Yields:
            Replaces its data, given as text.
        """
        kubectl = self.kubectl(cluster)
        before = kubectl.get(*SYSTEM, name)
        kept = {key: before["metadata"].get(key, {}) for key in ("name", "namespace", "labels", "annotations")}
        restored = {**before, "metadata": kept}

        def change(data: Mapping[str, str]) -> None:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
            kubectl(*SYSTEM, "patch", name, "--type=json", "-p", json.dumps([_replaced(encoded)]))

        try:
            yield change
        finally:
            if self._has(cluster, name):
                kubectl(*SYSTEM, "patch", name, "--type=json", "-p", json.dumps([_replaced(before["data"])]))
            else:
                kubectl.apply(restored)

    def _has(self, cluster: str, name: str) -> bool:
        return bool(self.kubectl(cluster)(*SYSTEM, "get", name, "--ignore-not-found", "-o", "name"))


def _replaced(data: Mapping[str, str]) -> dict[str, Any]:
    return {"op": "replace", "path": "/data", "value": data}


@pytest.fixture(scope="module")
def patient(mirrored: Mirrored) -> Patient:
    """The shared mesh, seen to be healthy."""
    stack = mirrored.stack.load()
    patient = Patient(mirrored, stack.mesh, stack.accesses)
    assert eventually(patient.healthy), patient.findings()
    return patient


@pytest.fixture(autouse=True)
def healthy_again(patient: Patient) -> Iterator[None]:
    """After each test nothing is wrong any more."""
    yield
    assert eventually(patient.healthy, 120), patient.findings()


def command(patient: Patient, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `spanmesh diagnose`."""
    stack = patient.mirrored.stack
    patch = pytest.MonkeyPatch()
    for name, value in stack.environment.items():
        patch.setenv(name, value)
    ended = CliRunner().invoke(app, ["diagnose", "--stack", stack.name, "--cwd", str(stack.project), *arguments])
    patch.undo()
    return ended.exit_code, ended.stdout


def kubeconfig(patient: Patient, reader: str = "cluster1", peer: str = "cluster2") -> dict[str, Any]:
    """What one cluster reads another by."""
    data = patient.kubectl(reader).get(*SYSTEM, REMOTE)["data"]
    document: dict[str, Any] = yaml.safe_load(base64.b64decode(data[peer]))
    return document


def test_a_remote_secret_of_another_clusters_key_or_none_is_named_with_its_cure(patient: Patient) -> None:
    with patient.changed("cluster1", REMOTE) as change:
        change({"elsewhere": yaml.safe_dump(kubeconfig(patient))})
        assert set(patient.findings()) == {("SM622", PAIR), ("SM623", "cluster1")}
        patient.kubectl("cluster1")(*SYSTEM, "delete", REMOTE)
        assert eventually(patient.finds("SM621", "cluster1")), patient.findings()
        code, printed = command(patient, "-o", "json")
        assert code == 1
        (found,) = [each for each in json.loads(printed)["findings"] if each["code"].startswith(OWN)]
        assert (found["code"], found["cluster"], found["peer"]) == ("SM621", "cluster1", None)
        assert found["documentation"] == "docs/troubleshooting.md#sm621"
        assert "pulumi up" in found["cure"]
        follows = {(each["check"], each["peer"]) for each in found["consequences"]}
        assert ("remote-sync", "cluster2") in follows, "istiod without the Secret is what it has to be"


def test_what_is_wrong_with_a_remote_kubeconfig_is_named_and_a_program_in_it_never_run(
    patient: Patient, tmp_path: Path
) -> None:
    good = kubeconfig(patient)
    user, cluster = good["users"][0]["user"], good["clusters"][0]["cluster"]
    ran = tmp_path / "ran"
    runs = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(ran)]}
    expired = _jwt({"exp": int((datetime.now(UTC) - timedelta(days=1)).timestamp())})
    ending = patient.kubectl("cluster2")(*SYSTEM, "create", "token", "istio-reader-cluster1", "--duration=10m").strip()
    reader = {"users": [{"name": "cluster2", "user": {"token": revoked_token(patient)}}]}
    faults: list[tuple[str, dict[str, Any]]] = [
        ("SM624", _with(good, {**cluster, "server": "https://198.51.100.99:6443"}, user)),
        ("SM625", _with(good, {**cluster, "server": "https://127.0.0.1:6443"}, user)),
        ("SM626", _with(good, cluster, {"exec": {**runs, "interactiveMode": "Never"}})),
        ("SM627", _with(good, cluster, {"token": expired})),
        ("SM628", {**good, **reader}),
        ("SM629", _with(good, cluster, {"token": ending})),
    ]
    # The last one works: an istiod of 1.32-dev that loses a key while it waits for earlier ones is stuck (SM610).
    with patient.changed("cluster1", REMOTE) as change:
        for code, document in faults:
            change({"cluster2": yaml.safe_dump(document)})
            assert eventually(patient.finds(code, PAIR)), (code, patient.findings())
    assert not ran.exists(), "a program of a kubeconfig that was read out of a cluster"


def test_a_remote_kubeconfig_of_another_ca_is_named(patient: Patient) -> None:
    # That of cluster2's API server is given in the stack file, and then not held against the cluster's own.
    good = kubeconfig(patient, "cluster2", "cluster1")
    other = base64.b64encode(authority("other", None)[1]).decode()
    cluster = {**good["clusters"][0]["cluster"], "certificate-authority-data": other}
    with patient.changed("cluster2", REMOTE) as change:
        change({"cluster1": yaml.safe_dump(_with(good, cluster, good["users"][0]["user"]))})
        assert eventually(patient.finds("SM620", "cluster2 -> cluster1")), patient.findings()


def revoked_token(patient: Patient) -> str:
    """A token of cluster1's reader in cluster2 that was good and whose Secret is deleted."""
    kubectl, name = patient.kubectl("cluster2"), "revoked-reader"
    annotations = {"kubernetes.io/service-account.name": "istio-reader-cluster1"}
    metadata = {"name": name, "namespace": "istio-system", "annotations": annotations}
    kind = "kubernetes.io/service-account-token"
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata})
    secret = f"secret/{name}"
    assert eventually(lambda: "token" in kubectl.get(*SYSTEM, secret).get("data", {}))
    token = base64.b64decode(kubectl.get(*SYSTEM, secret)["data"]["token"]).decode()
    kubectl(*SYSTEM, "delete", secret)
    return token


def _with(document: dict[str, Any], cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        **document,
        "clusters": [{**document["clusters"][0], "cluster": cluster}],
        "users": [{**document["users"][0], "user": user}],
    }


def _jwt(claims: dict[str, Any]) -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def test_networks_that_are_not_the_declared_ones_are_named(patient: Patient) -> None:
    first, second = patient.kubectl("cluster1"), patient.kubectl("cluster2")
    gateway = ("service", "istio-eastwestgateway")
    try:
        first("label", "namespace", "istio-system", "--overwrite", f"{NETWORK}=network9")
        second(*SYSTEM, "label", *gateway, f"{NETWORK}-")
        found = patient.findings()
        assert set(found) == {("SM653", "cluster1"), ("SM654", "cluster2")}
        assert "is network9; declared is network1" in found["SM653", "cluster1"].message
        assert "is missing; declared is network2" in found["SM654", "cluster2"].message
    finally:
        first("label", "namespace", "istio-system", "--overwrite", f"{NETWORK}=network1")
        second(*SYSTEM, "label", *gateway, "--overwrite", f"{NETWORK}=network2")


def test_an_api_server_that_is_down_is_the_one_cause(patient: Patient) -> None:
    (region,) = [each for each in patient.mirrored.lab.regions if each.cluster == "cluster2"]
    supervisor = patient.mirrored.lab.machine(region.control_plane.machine).supervisor
    supervisor.stop("kube-apiserver")
    try:
        started = time.monotonic()
        results = patient.examined()
        seconds = time.monotonic() - started
        assert [(each.cause.code, each.where) for each in results if each.cause] == [("SM611", "cluster2")], seconds
    finally:
        supervisor.start("kube-apiserver")


def test_an_istiod_that_did_not_come_to_read_a_cluster_after_its_start_is_named(patient: Patient) -> None:
    lab, kubectl = patient.mirrored.lab, patient.kubectl("cluster1")
    one, two = (next(r for r in lab.regions if r.cluster == name) for name in ("cluster1", "cluster2"))
    to = ("-d", str(two.api_address), "-p", "tcp", "--dport", "6443", "-m", "conntrack", "--ctstate", "NEW")
    rule = ("FORWARD", *to, "-j", "REJECT")
    # A second istiod starts while the API server of cluster2 cannot be reached from cluster1, and gives it up.
    second = another_istiod(kubectl)
    assert in_machine(lab, one.router, "iptables", "-w", "-I", *rule).returncode == 0
    try:
        kubectl.apply(second)
        assert eventually(patient.finds("SM619", PAIR), 60), patient.findings()
        found = patient.findings()["SM619", PAIR]
        assert "istiod pod istiod-second lists cluster2 as timeout" in found.message
        assert "has it synced" in found.message
    finally:
        in_machine(lab, one.router, "iptables", "-w", "-D", *rule)
        kubectl(*SYSTEM, "delete", "pod/istiod-second", "--ignore-not-found", "--grace-period=1", "--wait=false")


def another_istiod(kubectl: Kubectl) -> dict[str, Any]:
    """A pod beside those of istiod's Deployment, which waits 5 s for other clusters where istiod waits 30."""
    template = kubectl.get(*SYSTEM, ISTIOD)["spec"]["template"]
    for container in template["spec"]["containers"]:
        container["env"].append({"name": "PILOT_REMOTE_CLUSTER_TIMEOUT", "value": "5s"})
    metadata = {**template["metadata"], "name": "istiod-second", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def test_another_cluster_name_and_another_root_are_named_in_their_cluster(patient: Patient) -> None:
    first, second = patient.kubectl("cluster1"), patient.kubectl("cluster2")
    with patient.changed("cluster2", CACERTS) as change:
        try:
            change(other_cacerts())
            first(*SYSTEM, "set", "env", ISTIOD, "CLUSTER_ID=elsewhere")
            second(*SYSTEM, "rollout", "restart", ISTIOD)
            expected = {("SM651", "cluster1"), ("SM631", "cluster2")}
            assert eventually(lambda: expected == set(patient.findings()), 60), patient.findings()
            found = patient.findings()
            assert "CLUSTER_ID of istiod in cluster1 is elsewhere" in found["SM651", "cluster1"].message
            assert "CN=other root" in found["SM631", "cluster2"].message
        finally:
            first(*SYSTEM, "set", "env", ISTIOD, "CLUSTER_ID=cluster1")
    second(*SYSTEM, "rollout", "restart", ISTIOD)
    for kubectl in (first, second):
        kubectl(*SYSTEM, "rollout", "status", ISTIOD, "--timeout=60s")


def authority(
    name: str, issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Key and PEM of a CA; signed by itself where there is no issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signer, above = issuer or (key, None)
    made = (
        x509.CertificateBuilder(above.subject if above else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return key, made.public_bytes(serialization.Encoding.PEM)


def other_cacerts() -> dict[str, str]:
    """What Istio takes for cacerts, under a root of its own."""
    root_key, root = authority("other root", None)
    key, intermediate = authority("other intermediate", (root_key, x509.load_pem_x509_certificate(root)))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return {
        "ca-cert.pem": intermediate.decode(),
        "ca-key.pem": key.private_bytes(*plain).decode(),
        "cert-chain.pem": (intermediate + root).decode(),
        "root-cert.pem": root.decode(),
    }
