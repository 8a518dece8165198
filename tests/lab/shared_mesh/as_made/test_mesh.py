"""One `pulumi up` makes two separated clusters one mesh: traffic, trust, istiod's own view, no drift, no secrets."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from cli.demo import silent_cells
from lab import Lab
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.load.constant import constant_requests
from live.load.traffic import Row, traffic_matrix
from tests.lab.istioctl import Istioctl
from tests.lab.kubectl import eventually
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab
REQUESTS = 40


def cacerts(access: ClusterAccess) -> dict[str, bytes]:
    with api_client(access) as api:
        secret = client.CoreV1Api(api).read_namespaced_secret("cacerts", "istio-system")
    return {name: base64.b64decode(value) for name, value in secret.data.items()}


@pytest.fixture(scope="module")
def gateways(mesh: LabStack) -> dict[str, list[str]]:
    clusters = mesh.pulumi.outputs()["clusters"]
    return {name: cluster["eastWest"]["addresses"] for name, cluster in clusters.items()}


@pytest.fixture(scope="module")
def rows(mesh: LabStack, gateways: dict[str, list[str]]) -> dict[str, Row]:
    return traffic_matrix(mesh.accesses, "sample", gateways, REQUESTS)


def test_requests_cross_both_ways_and_none_fails(mesh: LabStack, rows: dict[str, Row]) -> None:
    assert silent_cells(mesh.load().mesh, rows) == []
    assert {name: sum(c.answers for c in row.cells.values()) for name, row in rows.items()} == {
        "cluster1": REQUESTS,
        "cluster2": REQUESTS,
    }


def test_the_other_region_is_reached_through_its_gateway_and_the_own_one_directly(
    rows: dict[str, Row], gateways: dict[str, list[str]]
) -> None:
    for name, row in rows.items():
        for answering, cell in row.cells.items():
            addresses = {hop.address.rsplit(":", 1)[0] for hop in cell.hops}
            assert sum(cell.hops.values()) == cell.answers
            if answering == name:
                assert not any(hop.gateway for hop in cell.hops)
            else:
                assert addresses == set(gateways[answering])
                assert {hop.address.rsplit(":", 1)[1] for hop in cell.hops} == {"15443"}


def test_each_cluster_serves_its_own_version(rows: dict[str, Row]) -> None:
    for row in rows.values():
        assert set(row.cells["cluster1"].versions) == {"v1"}
        assert set(row.cells["cluster2"].versions) == {"v2"}


def test_every_chain_leads_to_the_one_root(mesh: LabStack, tmp_path: Path) -> None:
    files = {name: cacerts(access) for name, access in mesh.accesses.items()}
    assert len({f["root-cert.pem"] for f in files.values()}) == 1
    assert len({f["ca-cert.pem"] for f in files.values()}) == len(files)
    assert len({f["ca-key.pem"] for f in files.values()}) == len(files)
    for name, contents in files.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        verified = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", "root-cert.pem", "ca-cert.pem"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert verified.stdout.strip() == "ca-cert.pem: OK", verified.stderr
        keys = [
            subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
            for command in (
                ["openssl", "x509", "-in", "ca-cert.pem", "-noout", "-pubkey"],
                ["openssl", "pkey", "-in", "ca-key.pem", "-pubout"],
            )
        ]
        assert keys[0] == keys[1]
        assert contents["cert-chain.pem"] == contents["ca-cert.pem"] + contents["root-cert.pem"]


def test_outputs_name_gateways_root_and_nothing_secret(mesh: LabStack, tmp_path: Path) -> None:
    outputs = mesh.pulumi.outputs()
    root = tmp_path / "root.pem"
    root.write_bytes(cacerts(mesh.accesses["cluster1"])["root-cert.pem"])
    printed = subprocess.run(
        ["openssl", "x509", "-in", str(root), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert outputs["root"]["sha256"] == printed.strip().split("=")[1].replace(":", "").lower()
    assert outputs["clusters"]["cluster1"]["network"] == "network1"
    assert outputs["clusters"]["cluster2"]["region"] == "cn-east-3"
    assert outputs["clusters"]["cluster1"]["eastWest"]["port"] == 15443
    assert "[secret]" not in json.dumps(outputs)


def test_an_ingress_gateway_answers_from_outside_at_the_address_of_the_outputs(mesh: LabStack, lab: Lab) -> None:
    clusters = mesh.pulumi.outputs()["clusters"]
    (address,) = clusters["cluster1"]["ingress"]["addresses"]
    assert clusters["cluster2"]["ingress"] is None
    health = f"http://{address}:15021/healthz/ready"
    asked = ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", health]
    assert lab.machine("cn-east-3-router").run(asked) == "200"


def test_nothing_is_left_to_change_after_an_up(mesh: LabStack) -> None:
    ended = mesh.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout


def test_no_key_token_or_kubeconfig_stands_in_plain_text_in_the_state(mesh: LabStack) -> None:
    state = mesh.attempt("stack", "export").stdout
    backend = "".join(p.read_text(errors="replace") for p in (mesh.project / "backend").rglob("*.json"))
    tokens = [token for access in mesh.accesses.values() for token in service_account_tokens(access)]
    keys = [cacerts(access)["ca-key.pem"].decode() for access in mesh.accesses.values()]
    kubeconfigs = [user_credential(access) for access in mesh.accesses.values()]
    assert len(tokens) == len(keys) == len(kubeconfigs) == 2
    secrets = [line for text in [*tokens, *keys, *kubeconfigs] for line in text.splitlines() if "---" not in line]
    # As the data of a Secret has it.
    secrets += [base64.b64encode(text.encode()).decode() for text in [*tokens, *keys]]
    for text in (state, backend):
        assert '"urn:pulumi:' in text
        assert "PRIVATE KEY" not in text
        assert [secret for secret in secrets if secret in text] == []


def service_account_tokens(access: ClusterAccess) -> list[str]:
    with api_client(access) as api:
        secrets = client.CoreV1Api(api).list_namespaced_secret("istio-system").items
    return [
        base64.b64decode(secret.data["token"]).decode()
        for secret in secrets
        if secret.type == "kubernetes.io/service-account-token"
    ]


def user_credential(access: ClusterAccess) -> str:
    user: dict[str, Any] = access.document["users"][0]["user"]
    return str(user.get("client-key-data") or user["token"])


def test_every_istiod_has_synced_with_every_remote_cluster(mesh: LabStack, istioctl: Istioctl) -> None:
    for cluster, peer in (("cluster1", "cluster2"), ("cluster2", "cluster1")):
        states = istioctl.remote_clusters(cluster)
        assert states[peer] == "synced"
        assert states[cluster] == "synced"


def test_an_api_server_is_met_under_the_name_and_by_the_ca_that_are_given(mesh: LabStack, istioctl: Istioctl) -> None:
    with api_client(mesh.accesses["cluster1"]) as api:
        secret = client.CoreV1Api(api).read_namespaced_secret("istio-remote-clusters", "istio-system")
    (kubeconfig,) = [yaml.safe_load(base64.b64decode(text)) for text in secret.data.values()]
    server = kubeconfig["clusters"][0]["cluster"]
    assert server["tls-server-name"] == "kubernetes.default.svc"
    given = base64.b64decode(server["certificate-authority-data"]).decode()
    assert given.strip() == mesh.environment["SPANMESH_TEST_CA"].strip()
    assert istioctl.remote_clusters("cluster1")["cluster2"] == "synced"


def test_every_proxy_has_the_configuration_of_its_istiod(mesh: LabStack, istioctl: Istioctl) -> None:
    for cluster in ("cluster1", "cluster2"):
        proxies = istioctl.proxy_status(cluster)
        assert {name.split("-")[0] for name in proxies} >= {"helloworld", "sleep", "istio"}
        assert set().union(*proxies.values()) == {"SYNCED"}


def gateway_pods(core: client.CoreV1Api) -> list[str]:
    """The east-west gateway's pods that are ready and stay."""
    found = core.list_namespaced_pod("istio-system", label_selector="istio=eastwestgateway").items
    return [
        pod.metadata.name
        for pod in found
        if pod.metadata.deletion_timestamp is None
        and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
    ]


def test_with_two_gateway_pods_the_end_of_one_costs_no_new_connection(mesh: LabStack) -> None:
    with api_client(mesh.accesses["cluster2"]) as api:
        core = client.CoreV1Api(api)
        with constant_requests(mesh.accesses["cluster1"], "sample", 180, pause=0.02) as load:
            first, second = gateway_pods(core)
            core.delete_namespaced_pod(first, "istio-system")
            assert eventually(lambda: len(gateway_pods(core)) == 2 and first not in gateway_pods(core), 60)
            core.delete_namespaced_pod(second, "istio-system")
            assert eventually(lambda: len(gateway_pods(core)) == 2 and second not in gateway_pods(core), 60)
    result = load.result()
    assert result.failures == []
    assert result.answers["cluster2"] > 20
