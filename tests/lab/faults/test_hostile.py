"""Strangers at port 15443, crowds of them, and a kubeconfig that wants a program run.

Certificates of yesterday and of tomorrow are what a peer shows whose clock is a day off; a region with such a clock is
in test_wrong_clock.py.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from cli.app import app
from cli.drift import expected
from health.checks import gateway_doors
from health.examination import examine
from lab.commands import require_program
from lab.machine import Machine
from live.observed import observe, second_look
from live.pods.port import pod_http
from tests.authority import Authority, root
from tests.lab.faults.stranger import Stranger
from tests.lab.faults.under_load import under_load
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored
from topology.defaults import east_west_of

pytestmark = pytest.mark.lab

SYSTEM = ("-n", "istio-system")
SERVICE = "service/istio-eastwestgateway"
REMOTE = "secret/istio-remote-clusters"
IDENTITY = f"spiffe://cluster.local/ns/{NAMESPACE}/sa/sleep"
LISTENER = "listener.0.0.0.0_15443."
LIMIT = "envoy.resource_limits.listener.0.0.0.0_15443.connection_limit"
CROWD, FEW, MORE = 1500, 200, 400


@pytest.fixture(scope="module")
def stranger(mirrored: Mirrored) -> Stranger:
    """Somebody outside all regions, at the door of cluster2."""
    (address,) = mirrored.kubectl("cluster2").get(*SYSTEM, SERVICE)["status"]["loadBalancer"]["ingress"]
    return Stranger(mirrored.lab, address["ip"])


@pytest.fixture(scope="module")
def intermediate(mirrored: Mirrored) -> Authority:
    """The CA that signs the certificates of cluster1's workloads; a test has an operator's rights."""
    data = mirrored.kubectl("cluster1").get(*SYSTEM, "secret/cacerts")["data"]
    certificate, key = (base64.b64decode(data[name]) for name in ("ca-cert.pem", "ca-key.pem"))
    held = serialization.load_pem_private_key(key, None)
    return Authority(x509.load_pem_x509_certificate(certificate), held)  # type: ignore[arg-type]


def gateway(mirrored: Mirrored, path: str, method: str = "GET") -> str:
    """What the proxy of cluster2's east-west gateway says at its admin port."""
    (pod,) = mirrored.kubectl("cluster2").get(*SYSTEM, "pods", "-l", "istio=eastwestgateway")["items"]
    with pod_http(mirrored.accesses["cluster2"], pod["metadata"]["name"], "istio-system", 15000) as http:
        return http.text(path, method)


def counted(mirrored: Mirrored, name: str) -> int:
    """One counter of the gateway's port 15443."""
    return int(gateway(mirrored, f"/stats?filter=^{LISTENER}{name}$").rpartition(":")[2])


def test_only_a_certificate_of_the_mesh_that_is_valid_now_gets_through(
    mirrored: Mirrored, stranger: Stranger, intermediate: Authority
) -> None:

    def certificates(issuer: Authority, since: float = 1, days: float = 1) -> list[Authority]:
        return [issuer.issue("client", ca=False, uri=IDENTITY, since=since, days=days), issuer]

    # What follows is refused for what it says: this one differs in nothing else.
    assert stranger.tls(certificates(intermediate)).answer.startswith("HTTP/1.1 200")
    shown = {
        "untrusted": certificates(root("Somebody")),
        # Of a cluster whose clock is a day behind, and of one whose clock is a day ahead.
        "yesterday's": certificates(intermediate, since=2, days=-1),
        "tomorrow's": certificates(intermediate, since=-1, days=2),
        "none": [],
    }
    passed = counted(mirrored, "downstream_cx_total")
    refused = {name: stranger.tls(chain) for name, chain in shown.items()}
    assert {name: each.answer for name, each in refused.items()} == dict.fromkeys(shown, "")
    # The workload's proxy says why to who asks; TLS has no alert for a certificate of the future.
    assert {name: each.refused for name, each in refused.items()} == {
        "untrusted": "TLSV1_ALERT_UNKNOWN_CA",
        "yesterday's": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "tomorrow's": "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "none": "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
    # The gateway passes them on by their names, and counts and logs each.
    assert counted(mirrored, "downstream_cx_total") >= passed + len(shown)


def test_plain_text_and_unknown_names_end_at_the_gateway_which_counts_and_logs_them(
    mirrored: Mirrored, stranger: Stranger, intermediate: Authority
) -> None:
    good = [intermediate.issue("client", ca=False, uri=IDENTITY, days=1), intermediate]
    before = counted(mirrored, "no_filter_chain_match")
    tried = [
        stranger.plain(),
        stranger.tls(good, server_name="outbound_.443_._.kubernetes.default.example.com"),
        # Of a browser, say: no proxy of Istio.
        stranger.tls(good, protocols=["http/1.1"]),
    ]
    assert [each.answer for each in tried] == [""] * 3
    assert counted(mirrored, "no_filter_chain_match") == before + 3

    def logged() -> bool:
        log = mirrored.proxy_log("cluster2", "istio=eastwestgateway", "istio-system")
        named = "outbound_.443_._.kubernetes.default.example.com" in log
        return named and log.count("NR filter_chain_not_found") >= 3

    # pilot-agent has Envoy write its log once a second (`--file-flush-interval-msec`).
    assert eventually(logged), mirrored.proxy_log("cluster2", "istio=eastwestgateway", "istio-system")
    told = re.search(r"(\d+) that were no mutual TLS to a Service", gateway_limits(mirrored))
    assert told, gateway_limits(mirrored)
    assert int(told[1]) >= before + 3


def gateway_limits(mirrored: Mirrored) -> str:
    """What `spanmesh verify` and the report say of connections at cluster2's gateway."""
    stack = mirrored.stack.load()
    observed = second_look(observe(stack.mesh, stack.accesses), stack.accesses, expected(stack))
    results = examine(observed, gateway_doors.EXAMINED)
    return "; ".join(each.message for each in results if each.cluster == "cluster2")


def test_a_crowd_of_connections_neither_ends_the_gateway_nor_keeps_others_out(
    mirrored: Mirrored, stranger: Stranger
) -> None:
    second = mirrored.kubectl("cluster2")
    before = restarts(second)
    mesh = mirrored.stack.load().mesh
    declared = east_west_of(mesh, mesh.cluster("cluster2")).max_connections
    assert f'"final_value": "{declared}"' in gateway(mirrored, "/runtime")
    with under_load(mirrored, "cluster1") as load:
        sleep(1)
        # On a slow machine the first are closed, 15 s after they came, before the last ones come.
        assert stranger.crowd(CROWD, 2).opened == CROWD
        sleep(1)
    assert counted(mirrored, "downstream_cx_overflow") == 0
    load.show(f"{CROWD} connections that say nothing")
    assert load.failures("cluster1") == []
    assert load.results["cluster1"].answers["cluster2"]
    with limited(mirrored, FEW):
        stranger.crowd(MORE, 4)
        assert eventually(lambda: counted(mirrored, "downstream_cx_overflow") >= (MORE - FEW) / 2)
    assert eventually(lambda: set(mirrored.ask(10)["cluster1"].answers) == {"cluster1", "cluster2"})
    assert restarts(second) == before


def restarts(kubectl: Kubectl) -> dict[str, int]:
    """How often the proxy of each gateway pod was started again."""
    pods = kubectl.get(*SYSTEM, "pods", "-l", "istio=eastwestgateway")["items"]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


@contextmanager
def limited(mirrored: Mirrored, number: int) -> Iterator[None]:
    """The gateway holds so many connections, as if the stack file had said so."""
    gateway(mirrored, f"/runtime_modify?{LIMIT}={number}", "POST")
    try:
        yield
    finally:
        # An empty value takes it back.
        gateway(mirrored, f"/runtime_modify?{LIMIT}=", "POST")


def hostile(good: dict[str, Any], name: str, *command: str) -> dict[str, Any]:
    """The kubeconfig of a good reader, but for its credentials: a program that shall give them."""
    program, *arguments = command
    runs = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": program,
        "args": arguments,
        "interactiveMode": "Never",
    }
    return {**good, "users": [{"name": good["users"][0]["name"], "user": {"exec": runs}}], "current-context": name}


@contextmanager
def planted(kubectl: Kubectl, added: dict[str, dict[str, Any]]) -> Iterator[None]:
    """The remote Secret with kubeconfigs more."""

    def patch(data: dict[str, str | None]) -> None:
        kubectl(*SYSTEM, "patch", REMOTE, "--type=merge", "-p", json.dumps({"data": data}))

    patch({name: base64.b64encode(yaml.safe_dump(document).encode()).decode() for name, document in added.items()})
    try:
        yield
    finally:
        patch(dict.fromkeys(added))


def test_a_program_in_a_planted_kubeconfig_is_run_neither_by_istiod_nor_by_any_command(
    mirrored: Mirrored, tmp_path: Path
) -> None:
    first = mirrored.kubectl("cluster1")
    encoded = first.get(*SYSTEM, REMOTE)["data"]["cluster2"]
    good: dict[str, Any] = yaml.safe_load(base64.b64decode(encoded))
    context = good["current-context"]
    here, there = tmp_path / "ran", "/var/run/secrets/istio-dns"
    # istiod's image has no program but istiod: one that leaves a mark is put where it may write.
    put_into_istiod(mirrored, require_program("busybox"), f"{there}/busybox")
    programs = {
        "cluster8": hostile(good, context, "touch", str(here)),
        "cluster9": hostile(good, context, f"{there}/busybox", "touch", f"{there}/ran"),
    }
    bait = tmp_path / "bait.yaml"
    bait.write_text(yaml.safe_dump(programs["cluster8"]))
    subprocess.run(
        [str(first.program), "--kubeconfig", str(bait), "get", "--raw", "/version", "--request-timeout=5s"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert here.exists(), "kubectl runs it: the bait is good"
    here.unlink()
    with planted(first, programs):
        assert eventually(lambda: refused(first) == {"cluster8", "cluster9"}), refused(first)
        said = commands(mirrored, tmp_path)
        sleep(1)
        assert not here.exists()
        assert "ran" not in seen_in_istiod(mirrored, there)
    assert "cluster8" in said
    assert "cluster9" in said
    assert eventually(lambda: set(mirrored.ask(10)["cluster1"].answers) == {"cluster1", "cluster2"})
    # The other bait is good too: run in istiod's container, it does leave its mark.
    first(*SYSTEM, "exec", "deployment/istiod", "--", f"{there}/busybox", "touch", f"{there}/ran")
    assert "ran" in seen_in_istiod(mirrored, there)
    first(*SYSTEM, "exec", "deployment/istiod", "--", f"{there}/busybox", "rm", f"{there}/ran")


def refused(kubectl: Kubectl) -> set[str]:
    """The planted clusters that istiod says it refuses because of a program."""
    log = kubectl(*SYSTEM, "logs", "deployment/istiod", "--since=2m")
    lines = [line for line in log.splitlines() if "exec" in line]
    return {name for name in ("cluster8", "cluster9") if any(name in line for line in lines)}


def commands(mirrored: Mirrored, folder: Path) -> str:
    """What every command that reads remote Secrets prints."""
    stack = mirrored.stack
    own = ["--stack", stack.name, "--cwd", str(stack.project)]
    asked = [
        ["status"],
        ["diagnose"],
        ["tokens"],
        ["verify", "--only", "remote-secrets", "--timeout", "1"],
        ["gather", "--output", str(folder / "bundle.tar.gz"), "--since", "1m"],
        ["explain", "cluster1/sample/deploy/sleep", "helloworld.sample:5000", "--path", "/hello", "--no-send"],
    ]
    printed = ""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        for words in asked:
            ended = CliRunner().invoke(app, [*words, *own])
            assert ended.exit_code in (0, 1, 2), (words, ended.output)
            assert ended.exception is None or isinstance(ended.exception, SystemExit), (words, ended.exception)
            printed += ended.output
    return printed


def istiod_root(mirrored: Mirrored) -> tuple[Machine, str]:
    """The node of cluster1, and where it sees the file system of istiod's container."""
    (region,) = [each for each in mirrored.lab.regions if each.cluster == "cluster1"]
    machine = mirrored.lab.machine(region.control_plane.machine)
    (pid,) = machine.run(["pgrep", "-f", "^/usr/local/bin/pilot-discovery discovery"]).split()
    return machine, f"/proc/{pid}/root"


def put_into_istiod(mirrored: Mirrored, program: Path, path: str) -> None:
    """Put a program into istiod's container."""
    machine, root_folder = istiod_root(mirrored)
    machine.run(["install", "-m", "755", program, f"{root_folder}{path}"])


def seen_in_istiod(mirrored: Mirrored, folder: str) -> list[str]:
    """The files in a folder of istiod's container."""
    machine, root_folder = istiod_root(mirrored)
    return machine.run(["ls", f"{root_folder}{folder}"]).split()
