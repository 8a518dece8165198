"""`spanmesh lab` without a lab: what it prints, and how it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.lab import _appended, app
from lab import LabError, LabStatus
from lab.state import LabFolders, Memory, write_atomically
from lab.status import ComponentStatus, RegionStatus

RUN = CliRunner()


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANMESH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("lab.state.LOCK_ROOT", tmp_path / "lock")
    monkeypatch.setattr("lab.network.labs_with_namespaces", set)
    monkeypatch.setattr("lab.lab.marked_processes", lambda *_: [])


def saved(name: str) -> LabFolders:
    folders = LabFolders(name)
    folders.save(Memory(regions=2, nodes=1, ports={"cn-north-4": 16443, "cn-east-3": 16444}))
    return folders


def test_a_kubeconfig_is_found_by_region_and_by_cluster() -> None:
    path = saved("mine").kubeconfig("cn-east-3")
    write_atomically(path, "kind: Config\n")
    for region in ("cn-east-3", "cluster2"):
        result = RUN.invoke(app, ["kubeconfig", region, "--lab", "mine"])
        assert result.stdout.strip() == str(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "nolab"], "there is no lab 'nolab' (labs here: mine)"),
        (["kubeconfig", "cn-north-4", "--lab", "nolab"], "bring it up with `spanmesh lab up nolab`"),
        (["kubeconfig", "cn-north-4", "--lab", "mine"], "lab mine is not up yet"),
        (["kubeconfig", "nowhere", "--lab", "mine"], "lab mine has no region 'nowhere'"),
        (["logs", "mine", "nothing"], "lab mine has no component 'nothing'"),
        (["status", "../etc"], "cannot be used"),
    ],
)
def test_what_is_not_there_is_refused_with_what_there_is(arguments: list[str], said: str) -> None:
    saved("mine")
    result = RUN.invoke(app, arguments)
    assert isinstance(result.exception, LabError)
    assert said in str(result.exception)


def test_down_of_a_lab_that_is_not_there_is_no_error() -> None:
    result = RUN.invoke(app, ["down", "nolab"])
    assert result.exit_code == 0
    assert "nothing to take down" in result.stderr


def test_list_names_labs_with_their_regions_and_those_left_over() -> None:
    saved("mine")
    (LabFolders("broken").state).mkdir(parents=True)
    printed = RUN.invoke(app, ["list"]).stdout
    assert "cn-north-4, cn-east-3" in printed
    assert "`spanmesh lab down broken` clears it away" in printed


def test_status_says_why_and_ends_with_1_if_a_component_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = ComponentStatus(name="cn-north-4-node1/etcd", healthy=False, reason="fatal: [disk] full")
    region = RegionStatus(
        name="cn-north-4",
        cluster="cluster1",
        api="https://198.51.100.11:6443",
        network="network1",
        pods="10.244.0.0/16",
        cloud="plain",
        components=[bad],
    )
    found = LabStatus(name="mine", healthy=False, components=[], regions=[region])
    monkeypatch.setattr("lab.lab.Lab.status", lambda _: found)
    table = RUN.invoke(app, ["status", "mine"])
    assert table.exit_code == 1
    assert "cn-north-4-node1/etcd" in table.stdout
    assert "fatal: [disk] full" in table.stdout
    assert ["network1", "cn-north-4", "cluster1", "https://198.51.100.11:6443", "10.244.0.0/16", "plain"] in [
        line.split() for line in table.stdout.splitlines()
    ]
    machine_readable = RUN.invoke(app, ["status", "mine", "-o", "json"])
    assert machine_readable.exit_code == 1
    assert json.loads(machine_readable.stdout)["regions"][0]["components"][0]["reason"] == "fatal: [disk] full"


def test_the_end_of_a_log_is_printed() -> None:
    log = saved("mine").machine("cn-north-4-node1") / "log" / "etcd.log"
    write_atomically(log, "".join(f"line {number}\n" for number in range(500)))
    assert RUN.invoke(app, ["logs", "mine"]).stdout.split() == ["cn-north-4-node1/etcd"]
    printed = RUN.invoke(app, ["logs", "mine", "cn-north-4-node1/etcd", "--tail", "2"]).stdout
    assert printed.splitlines() == ["line 498", "line 499"]


def test_following_a_log_goes_on_after_it_was_rotated(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("old line\n")
    lines = _appended(log, log.stat().st_size)
    with log.open("a") as file:
        file.write("second\n")
    assert next(lines) == "second\n"
    log.rename(tmp_path / "etcd.log.1")
    log.write_text("new\n")
    assert next(lines) == "new\n"


@pytest.mark.parametrize("command", ["up", "cloud", "down", "status", "logs", "kubeconfig", "list"])
def test_each_command_explains_every_option(command: str) -> None:
    from typer.main import get_command  # noqa: PLC0415

    described = get_command(app).commands[command]  # type: ignore[attr-defined]
    assert described.help
    assert all(getattr(parameter, "help", None) for parameter in described.params)


def test_a_version_of_istio_that_cannot_be_had_does_not_stay_with_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lab.prepare_machine", lambda _: None)
    before = saved("mine").load()
    result = RUN.invoke(app, ["up", "mine", "--istio", "0.0.1"])
    assert isinstance(result.exception, LabError)
    assert "0.0.1" in str(result.exception)
    assert LabFolders("mine").load() == before


def test_a_lab_does_not_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lab.prepare_machine", lambda _: None)
    saved("mine")
    result = RUN.invoke(app, ["up", "mine", "--regions", "1"])
    assert "lab mine has 2 regions and cannot shrink to 1; take it down first" in str(result.exception)


def test_a_cloud_is_played_by_the_named_regions_with_the_given_groups_of_addresses() -> None:
    folders = saved("mine")
    group = ["--address-group", "peers=198.51.100.12/32,198.51.100.13/32"]
    assert RUN.invoke(app, ["cloud", "huawei-cce", "mine", "-r", "cluster2", *group]).exit_code == 0
    played = json.loads((folders.machine("cn-east-3-router") / "cloud.json").read_text())
    assert played["name"] == "huawei-cce"
    assert played["addressGroups"] == {"peers": ["198.51.100.12/32", "198.51.100.13/32"]}
    assert not (folders.machine("cn-north-4-router") / "cloud.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["azure", "mine"], "'azure' is not known"),
        (["plain", "mine", "-r", "cluster9"], "lab mine has no region 'cluster9'"),
        (["huawei-cce", "mine", "--address-group", "peers"], "not of the form ID=CIDR"),
        (["huawei-cce", "mine", "--address-group", "peers=here"], "addressGroups.peers"),
    ],
)
def test_a_cloud_that_cannot_be_played_is_refused_and_nothing_changes(arguments: list[str], said: str) -> None:
    folders = saved("mine")
    result = RUN.invoke(app, ["cloud", *arguments])
    assert isinstance(result.exception, LabError)
    assert said in str(result.exception)
    assert not (folders.machine("cn-north-4-router") / "cloud.json").exists()
