"""System packages: what counts as missing, and what their installation must not leave behind."""

import os
import sys
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import script
from toolchain import ToolError, ensure_packages, missing_packages, packages
from toolchain.catalogue import Catalogue, read_catalogue

# Installs by creating the program, and notes whether services were forbidden to start meanwhile.
APT_GET = """echo "$*" >>"$WORLD/calls"
case "$*" in
*" update"*) [ ! -e "$WORLD/no-lists" ] ;;
*" install "*)
    [ ! -e "$WORLD/broken" ] || { echo "E: Unable to locate package etcd-server"; exit 100; }
    [ -x "$WORLD/policy-rc.d" ] && "$WORLD/policy-rc.d"; echo "policy $?" >>"$WORLD/calls"
    printf '#!/bin/sh\\n' >"$WORLD/bin/etcd"; chmod 755 "$WORLD/bin/etcd" ;;
esac"""
DPKG_QUERY = """printf 'ii \\tbase\\n'; [ ! -e "$WORLD/bin/etcd" ] || printf 'ii \\tetcd-server\\n'"""
DPKG = """[ "$2" = etcd-server ] && printf '/lib/systemd/system/etcd.service\\n/etc/init.d/etcd\\n'"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of scripts, on which etcd is missing."""
    folder = tmp_path / "bin"
    script(folder / "apt-get", APT_GET)
    script(folder / "dpkg-query", DPKG_QUERY)
    script(folder / "dpkg", DPKG)
    script(folder / "systemctl", 'echo "systemctl $*" >>"$WORLD/calls"')
    monkeypatch.setenv("WORLD", str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "SYSTEM_PATH", str(folder))
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


@pytest.fixture
def wanted(world: Path) -> Catalogue:
    system = [
        {"package": "etcd-server", "provides": [str(world / "bin" / "etcd")], "why": "missing here"},
        {"package": "python3", "provides": ["/nowhere/at/all", sys.executable], "why": "there in one of two places"},
    ]
    return Catalogue.model_validate(read_catalogue().model_dump() | {"tools": [], "system": system})


def test_what_only_tests_need_is_not_demanded_of_a_lab(world: Path, wanted: Catalogue) -> None:
    system = [wanted.system[0].model_copy(update={"needed_by": "tests"}), *wanted.system[1:]]
    catalogue = wanted.model_copy(update={"system": system})
    assert ensure_packages(lambda _: None, catalogue) == []
    assert calls(world) == []
    assert ensure_packages(lambda _: None, catalogue, needed_by="tests") == ["etcd-server"]


def calls(world: Path) -> list[str]:
    return (world / "calls").read_text().splitlines() if (world / "calls").exists() else []


def test_installs_only_what_is_missing_in_one_call(world: Path, wanted: Catalogue) -> None:
    notes: list[str] = []
    assert [entry.package for entry in missing_packages(wanted)] == ["etcd-server"]
    assert ensure_packages(notes.append, wanted) == ["etcd-server"]
    installs = [call for call in calls(world) if " install " in call]
    assert len(installs) == 1
    assert installs[0].endswith("install -y --no-install-recommends etcd-server")
    assert "DPkg::Lock::Timeout=" in installs[0]
    assert notes == ["installing system packages: etcd-server"]
    assert ensure_packages(notes.append, wanted) == []
    assert len([call for call in calls(world) if " install " in call]) == 1


def test_services_neither_start_nor_stay_enabled(world: Path, wanted: Catalogue) -> None:
    ensure_packages(lambda _: None, wanted)
    assert "policy 101" in calls(world)
    assert not (world / "policy-rc.d").exists()
    assert [call for call in calls(world) if call.startswith("systemctl disable") and call.endswith("etcd.service")]


def test_policy_of_the_machine_stays(world: Path, wanted: Catalogue) -> None:
    script(world / "policy-rc.d", "exit 7")
    ensure_packages(lambda _: None, wanted)
    assert "policy 7" in calls(world)
    assert (world / "policy-rc.d").exists()


def test_failing_update_is_told_and_does_not_stop(world: Path, wanted: Catalogue) -> None:
    (world / "no-lists").touch()
    notes: list[str] = []
    assert ensure_packages(notes.append, wanted) == ["etcd-server"]
    assert any("apt-get update failed" in note for note in notes)


def test_failing_install_is_quoted_and_policy_taken_away(world: Path, wanted: Catalogue) -> None:
    (world / "broken").touch()
    with pytest.raises(ToolError, match=r"(?s)apt-get .*ended with 100:.*Unable to locate package etcd-server"):
        ensure_packages(lambda _: None, wanted)
    assert not (world / "policy-rc.d").exists()


def test_without_root_the_command_to_run_is_named(
    world: Path, wanted: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="sudo apt-get install etcd-server"):
        ensure_packages(lambda _: None, wanted)
    assert calls(world) == []


def test_other_distribution_is_told_the_programs(world: Path, wanted: Catalogue) -> None:
    (world / "bin" / "apt-get").unlink()
    with pytest.raises(ToolError, match=r"not Debian or Ubuntu.*package manager.*etcd-server"):
        ensure_packages(lambda _: None, wanted)
