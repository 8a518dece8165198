"""The support bundle of a real mesh: all of it is there, and none of the keys and tokens of its clusters."""

import base64
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from typer.testing import CliRunner

from cli.app import app
from tests.lab.shared_mesh.mirrored import NAMESPACE, NETWORKING, Mirrored

pytestmark = pytest.mark.lab

SYSTEM = "istio-system"
PASSWORD = "hunter-of-passwords"  # noqa: S105 - planted by this test
PIECE = 16
ISTIOD = (
    "clusterz.json",
    "networkz.json",
    "syncz.json",
    "endpointShardz.json",
    "registryz.json",
    "metrics.txt",
    "log.txt",
)
ENVOY = ("config_dump.json", "clusters.json", "certs.json", "stats.txt", "log.txt")
OBJECTS = (
    "istio-system/pods.json",
    "istio-system/configmaps.json",
    "istio-system/secrets.json",
    "nodes.json",
    "crds.json",
)


def run(mirrored: Mirrored, output: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `spanmesh gather`."""
    stack = mirrored.stack
    command = ["gather", "--stack", stack.name, "--cwd", str(stack.project), "--output", str(output), *arguments]
    ended = CliRunner().invoke(app, command, env={**stack.environment, **environment})
    return ended.exit_code, ended.stdout, ended.stderr


def unpacked(path: Path) -> dict[str, str]:
    """Text by path below the archive's folder."""
    with tarfile.open(path) as tar:
        return {m.name.partition("/")[2]: _text(tar, m) for m in tar.getmembers()}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    assert file
    return file.read().decode()


def secrets(mirrored: Mirrored) -> dict[str, str]:
    """By what it is, every private key and token that the mesh, and whoever works on it, has."""
    found: dict[str, str] = {}
    for cluster in mirrored.accesses:
        for secret in mirrored.kubectl(cluster).get("-n", SYSTEM, "secrets")["items"]:
            if secret["type"] == "helm.sh/release.v1":
                continue
            for key, value in (secret.get("data") or {}).items():
                text = base64.b64decode(value).decode()
                where = f"{cluster} {secret['metadata']['name']} {key}"
                if "PRIVATE KEY" in text or key == "token":
                    found[where] = text
                elif "users" in text:
                    found |= {f"{where} token": u["user"]["token"] for u in yaml.safe_load(text)["users"]}
        for user in mirrored.accesses[cluster].document["users"]:
            found[f"{cluster} kubeconfig"] = base64.b64decode(user["user"]["client-key-data"]).decode()
    state = mirrored.stack.pulumi.read("stack", "export", "--show-secrets")
    return found | {f"state {number}": key for number, key in enumerate(sorted(set(_keys(state))))}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _keys(each)
    elif isinstance(value, str) and value.startswith("-----BEGIN") and "PRIVATE KEY" in value:
        # The provider keeps each key in OpenSSH's form too.
        if "OPENSSH" not in value:
            yield value
    elif isinstance(value, str) and "PRIVATE KEY" in value and value[:1] in '{["':
        yield from _keys(json.loads(value))


def pieces(secret: str) -> set[str]:
    """What tells that a secret, or a part of it, is in a text: pieces of it, in plain and as base64 may show them."""
    # Of a token, header and claims are the same as of others; the signature is its own.
    lines = _secret_lines(secret) if "PRIVATE KEY" in secret else [secret.rpartition(".")[2]]
    plain = {line[start : start + PIECE] for line in lines for start in range(0, len(line) - PIECE + 1, PIECE // 2)}
    return plain | {code for piece in plain for code in _as_base64(piece)}


def _secret_lines(pem: str) -> Iterator[str]:
    """What of a key's lines stands for its secret numbers: its algorithm and its public key are in certificates."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    number = key.private_numbers()
    secrets = [number.private_value] if isinstance(number, ec.EllipticCurvePrivateNumbers) else [number.p, number.q]
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    content = base64.b64decode("".join(lines))
    for each in secrets:
        data = each.to_bytes((each.bit_length() + 7) // 8)
        at = content.index(data)
        first, last = -(-at * 4 // 3), (at + len(data)) * 4 // 3
        for number_of_line, line in enumerate(lines):
            start = number_of_line * len(lines[0])
            yield line[max(0, first - start) : max(0, last - start)]


def _as_base64(piece: str) -> Iterator[str]:
    """What is the same of a piece's base64 whatever stands around it, for each place that it may begin at."""
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + piece.encode()).decode()
        yield encoded[4 if offset else 0 : len(encoded) - 4]


def test_the_pieces_that_are_looked_for_would_be_found() -> None:
    for secret in (p256_pem(), rsa_pem()):
        for text in (secret, json.dumps(secret), yaml.safe_dump({"key": secret})):
            for before in ("", "a", "ab"):
                whole = before + text
                assert any(piece in whole for piece in pieces(secret))
                assert any(piece in base64.b64encode(whole.encode()).decode() for piece in pieces(secret))


def p256_pem() -> str:
    """A key as istiod's."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def rsa_pem() -> str:
    """A key as many PKIs make them."""
    return _pem(rsa.generate_private_key(65537, 2048))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@contextmanager
def planted(mirrored: Mirrored, key: str, token: str) -> Iterator[None]:
    """Secrets where they do not belong, and are met all the same."""
    kubectl = mirrored.kubectl("cluster1")
    metadata = {"name": "planted", "namespace": SYSTEM}
    kubeconfig = {"users": [{"name": "u", "user": {"token": token}}], "clusters": [], "contexts": [], "kind": "Config"}
    config = {"key.pem": key, "code": base64.b64encode(key.encode()).decode(), "kubeconfig": yaml.safe_dump(kubeconfig)}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": {"kind": "ConfigMap", "name": "planted", "namespace": SYSTEM},
        "message": f"could not log in by Bearer {token}",
        "type": "Warning",
        "lastTimestamp": "2999-01-01T00:00:00Z",
    }
    headers = {"request": {"set": {"Authorization": f"Basic {base64.b64encode(PASSWORD.encode()).decode()}"}}}
    route = {"route": [{"destination": {"host": "helloworld"}}], "headers": headers}
    service = {
        "apiVersion": NETWORKING,
        "kind": "VirtualService",
        "metadata": {"name": "planted", "namespace": NAMESPACE},
        "spec": {"hosts": ["planted.example.com"], "http": [route]},
    }
    container = {
        "name": "app",
        "image": "localhost/sample:1",
        "command": ["serve", "--password", PASSWORD],
        "env": [{"name": "GREETING", "value": PASSWORD}],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "planted", "namespace": NAMESPACE},
        "spec": {"nodeSelector": {"no": "where"}, "containers": [container]},
    }
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config}, event, service, pod)
    try:
        kubectl.apply(*objects)
        yield
    finally:
        kubectl("-n", SYSTEM, "delete", "configmap,event", "planted", "--ignore-not-found")
        kubectl("-n", NAMESPACE, "delete", "virtualservice,pod", "planted", "--ignore-not-found", "--now")


def test_a_bundle_has_everything_of_both_clusters_and_no_secret_of_them(mirrored: Mirrored, tmp_path: Path) -> None:
    known = secrets(mirrored)
    kinds = ("cacerts ca-key.pem", "-token token", "istio-remote-clusters", "kubeconfig", "state")
    assert all(any(kind in name for name in known) for kind in kinds), sorted(known)
    key = next(text for name, text in known.items() if "cacerts" in name)
    token = next(text for name, text in known.items() if name.endswith("-token token"))
    output = tmp_path / "bundle.tar.gz"
    with planted(mirrored, key, token):
        code, printed, progress = run(mirrored, output, "--namespace", NAMESPACE)
    assert code == 0, progress
    assert printed.startswith(f"{output} (")
    assert "==> cluster1: " in progress
    assert list(tmp_path.iterdir()) == [output]
    assert output.stat().st_mode & 0o777 == 0o600

    files = unpacked(output)
    everything = "\n".join(files.values())
    leaked = {name for name, secret in known.items() if any(piece in everything for piece in pieces(secret))}
    assert leaked == set()
    assert PASSWORD not in everything
    assert base64.b64encode(PASSWORD.encode()).decode() not in everything

    index = json.loads(files["index.json"])
    assert {each["path"] for each in index["files"]} == files.keys() - {"index.json"}
    assert index["missing"] == []
    for cluster in mirrored.accesses:
        folder = f"clusters/{cluster}"
        below = [name.removeprefix(f"{folder}/") for name in files if name.startswith(folder)]
        assert set(OBJECTS) <= set(below)
        for kind, pages in (("istiod/istiod-", ISTIOD), ("proxies/istio-system/", ENVOY), ("proxies/sample/", ENVOY)):
            has = {name.rpartition("/")[2] for name in below if name.startswith(kind)}
            assert set(pages) <= has, kind
        (remotes,) = [
            json.loads(text) for name, text in files.items() if name.startswith(folder) and "clusterz" in name
        ]
        assert {each["syncStatus"] for each in remotes} == {"synced"}
        names = {each["metadata"]["name"] for each in json.loads(files[f"{folder}/istio-system/secrets.json"])}
        assert {"cacerts", "istio-remote-clusters"} <= names
    for path in ("istio-system/configmaps", "istio-system/events", "policy/VirtualService.networking.istio.io"):
        assert "planted" in files[f"clusters/cluster1/{path}.json"], path
    assert "planted" in files[f"clusters/cluster1/namespaces/{NAMESPACE}/pods.json"]
    results = json.loads(files["health/results.json"])
    assert {each["cluster"] for each in results} >= set(mirrored.accesses)


def test_a_cluster_that_does_not_answer_is_named_and_the_other_one_is_there(mirrored: Mirrored, tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(Path(mirrored.stack.environment["KUBECONFIG"]).read_text())
    context = next(each["context"] for each in kubeconfig["contexts"] if each["name"] == "cluster2")
    (dead,) = [each["cluster"] for each in kubeconfig["clusters"] if each["name"] == context["cluster"]]
    dead["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    output = tmp_path / "bundle.tar.gz"
    code, printed, progress = run(mirrored, output, KUBECONFIG=str(tmp_path / "kubeconfig"))
    assert code == 2, progress
    assert printed.startswith(f"{output} (")
    assert "==> cluster2: its API server https://127.0.0.1:1 does not answer" in progress
    files = unpacked(output)
    missing = {each["path"]: each["reason"] for each in json.loads(files["index.json"])["missing"]}
    assert "does not answer" in missing["clusters/cluster2/"]
    assert not [path for path in missing if "cluster1" in path]
    assert any("cluster1/istiod/" in name for name in files)


def test_ctrl_c_leaves_no_file(mirrored: Mirrored, tmp_path: Path) -> None:
    stack, output = mirrored.stack, tmp_path / "bundle.tar.gz"
    command = [sys.executable, "-P", "-m", "cli", "gather", "--stack", stack.name, "--cwd", str(stack.project)]
    with subprocess.Popen(
        [*command, "--output", str(output)],
        env={**os.environ, **stack.environment, "PYTHONPATH": str(Path(__file__).parents[4])},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr
        assert "2 clusters are asked" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert list(tmp_path.iterdir()) == []
