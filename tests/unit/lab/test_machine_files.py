"""What the lab writes for its machines: certificates, kubeconfigs, supervisord's configuration, router rules."""

import shlex
import ssl
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from supervisor.options import ServerOptions

from lab.kubeconfig import entry, merged
from lab.pki import ensure_pki
from lab.plan import LabPlan
from lab.router_rules import base_rules
from lab.supervision import Program, render

REGION = LabPlan("demo", 2, 2).regions[1]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    ensure_pki(folder, REGION)
    return folder


def test_every_certificate_is_of_the_regions_authority(pki: Path) -> None:
    leaves = [str(path) for path in pki.glob("*.crt") if path.name != "ca.crt"]
    assert len(leaves) == 11
    verified = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", str(pki / "ca.crt"), *leaves],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count(": OK") == len(leaves)


def test_the_api_server_is_known_by_all_its_names(pki: Path) -> None:
    certificate = x509.load_pem_x509_certificate((pki / "apiserver.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        IPv4Address(each) for each in ("198.51.100.12", "127.0.0.1", "10.96.0.1", "10.0.0.11")
    }
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_keys_are_readable_by_root_only_and_stay_what_they_are(pki: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {0o600}
    before = {path.name: path.read_bytes() for path in pki.iterdir()}
    ensure_pki(pki, REGION)
    assert {path.name: path.read_bytes() for path in pki.iterdir()} == before


def test_a_certificate_whose_other_half_is_missing_is_made_anew(pki: Path) -> None:
    (pki / "kube-proxy.crt").unlink()
    ensure_pki(pki, REGION)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Refuses a key that is not the certificate's.
    context.load_cert_chain(pki / "kube-proxy.crt", pki / "kube-proxy.key")


def test_a_merged_kubeconfig_has_a_context_for_each_cluster_and_begins_with_the_first(pki: Path) -> None:
    parts = [entry(f"https://127.0.0.1:{port}", pki, "admin", name=f"cluster{port}") for port in (1, 2)]
    config = yaml.safe_load(merged(parts))
    assert [each["name"] for each in config["contexts"]] == ["cluster1", "cluster2"]
    assert config["current-context"] == "cluster1"
    assert {each["context"]["user"] for each in config["contexts"]} == {each["name"] for each in config["users"]}


def test_supervisord_reads_back_the_programs_as_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["/bin/sh", "-c", "echo 100% ; exec sleep", '--label="a b"', "--plain=x:1"]
    programs = [
        Program("talker", command, {"NAME": "a b%c"}, stop_seconds=7),
        Program("late", ["/bin/true"], autostart=False),
    ]
    path = tmp_path / "supervisord.conf"
    path.write_text(render(programs, socket=str(tmp_path / "s.sock"), log_folder=str(tmp_path)))
    options = ServerOptions()
    monkeypatch.setattr(options, "exit", pytest.fail)
    options.realize(["-n", "-c", str(path)])
    read = {each.process_configs[0].name: each.process_configs[0] for each in options.process_group_configs}
    talker = read["talker"]
    assert shlex.split(talker.command) == command
    assert (talker.environment["NAME"], talker.stopwaitsecs, talker.autostart) == ("a b%c", 7, True)
    assert not read["late"].autostart


def test_rules_of_load_balancers_survive_a_repair_of_the_routers_own(pki: Path) -> None:
    again = base_rules(REGION, declare_nat_chain=False, declare_filter_chain=False)
    assert ":SPANMESH-LB" not in again
    first = base_rules(REGION, declare_nat_chain=True, declare_filter_chain=True)
    assert first.count(":SPANMESH-LB") == 2
    assert ":FORWARD DROP" in again


def test_only_pods_of_one_network_are_forwarded_unchanged() -> None:
    plan = LabPlan("demo", 3, 1, (("cn-east-3", "cn-south-1"),))
    alone, flat, peer = (
        base_rules(region, plan.flat_peers(region), declare_nat_chain=True, declare_filter_chain=True).splitlines()
        for region in plan.regions
    )
    assert not any("10.245" in line for line in alone)
    for lines, mine, others in ((flat, "10.244.0.0/16", "10.245.0.0/16"), (peer, "10.245.0.0/16", "10.244.0.0/16")):
        unchanged = lines.index(f"-A POSTROUTING -s {mine} -d {others} -o wan -j ACCEPT")
        assert unchanged < next(number for number, line in enumerate(lines) if "SNAT" in line)
        assert f"-A FORWARD -i lan -o wan -s {mine} -d {others} -j ACCEPT" in lines
        assert f"-A FORWARD -i wan -o lan -s {others} -d {mine} -j ACCEPT" in lines
