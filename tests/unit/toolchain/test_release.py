"""Way 2: official releases, from a stand-in of the download host."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.toolchain.conftest import Make, Told, tool
from tests.unit.toolchain.stand_in import Host
from toolchain import ToolError

PROGRAM = b"#!/bin/sh\necho released hello\n" + b"# padding\n" * 1000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def released(host: Host, **download: Any) -> dict[str, Any]:
    """A tool with one download of ``/hello``, or of what ``download`` says."""
    file = {"url": f"{host.url}/hello", "checksums": f"{host.url}/hello.sha256"} | download
    return tool("hello", release={"kind": "downloads", "files": [file]})


def publish(host: Host, content: bytes = PROGRAM, checksum: str | None = None) -> None:
    host.files |= {"/hello": content, "/hello.sha256": (checksum or sha256(content)).encode()}


def leftovers(root: Path) -> list[Path]:
    """Files of tools that lie in the cache in whatever state."""
    return [path for path in (root / "tools").rglob("*") if path.is_file() and path.name != ".lock"]


def test_release_goes_before_build(make: Make, host: Host, told: Told) -> None:
    publish(host)
    got = make(released(host)).ensure(["hello"], report=told)["hello"]
    assert got.origin == "release"
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stdout == "released hello\n"
    assert told.ended == ["install the release of hello: 1.2.3 (release)"]


def test_release_that_is_there_is_not_fetched_again(make: Make, host: Host, told: Told) -> None:
    publish(host)
    make(released(host)).ensure(["hello"], report=told)
    asked = len(host.asked)
    assert make(released(host)).ensure(["hello"], report=told)["hello"].origin == "release"
    assert len(host.asked) == asked


@pytest.mark.parametrize("listing", ["{sum}  hello\n", "{other}  hello.old\n{sum} *./hello\n", "{sum}\n"])
def test_checksum_is_found_in_every_form_that_publishers_use(make: Make, host: Host, told: Told, listing: str) -> None:
    publish(host, checksum=listing.format(sum=sha256(PROGRAM), other="0" * 64))
    assert make(released(host)).ensure(["hello"], "release", told)["hello"].origin == "release"


def test_wrong_checksum_is_refused_and_nothing_of_it_kept(make: Make, host: Host, told: Told) -> None:
    publish(host, checksum=sha256(b"something else"))
    toolchain = make(released(host))
    with pytest.raises(ToolError, match=f"has the sha256 {sha256(PROGRAM)}, expected is {sha256(b'something else')}"):
        toolchain.ensure(["hello"], "release", told)
    assert toolchain.find("hello") is None
    assert leftovers(toolchain.cache.root) == []


def test_pinned_checksum_goes_before_the_published(make: Make, host: Host, told: Told) -> None:
    publish(host)
    with pytest.raises(ToolError, match="expected is " + "1" * 64):
        make(released(host, sha256="1" * 64)).ensure(["hello"], "release", told)


def test_file_without_published_checksum_is_not_used(make: Make, host: Host, told: Told) -> None:
    publish(host, checksum=f"{'0' * 64}  goodbye\n")
    with pytest.raises(ToolError, match="names no checksum of hello"):
        make(released(host)).ensure(["hello"], "release", told)


def test_half_downloaded_file_is_not_used(make: Make, host: Host, told: Told) -> None:
    publish(host)
    host.cut.add("/hello")
    toolchain = make(released(host))
    with pytest.raises(ToolError, match=r"ended after .* bytes"):
        toolchain.ensure(["hello"], "release", told)
    assert leftovers(toolchain.cache.root) == []
    host.cut.clear()
    assert toolchain.ensure(["hello"], "release", told)["hello"].path.read_bytes() == PROGRAM


def test_missing_file_falls_back_to_the_build_and_says_so(make: Make, host: Host, told: Told) -> None:
    got = make(released(host)).ensure(["hello"], report=told)["hello"]
    assert got.origin == "build"
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stderr == "hello 1.2.3\n"
    assert [note for note in told.notes if "404" in note and "built instead" in note]


def test_program_comes_out_of_an_archive(make: Make, host: Host, told: Told) -> None:
    publish(host, tar({"hello-1.2.3/README": b"read me", "hello-1.2.3/hello": PROGRAM}))
    got = make(released(host, member="hello-1.2.3/hello")).ensure(["hello"], "release", told)["hello"]
    assert got.path.read_bytes() == PROGRAM
    assert got.path.stat().st_mode & 0o111


def test_archive_without_the_program_or_broken_is_refused(make: Make, host: Host, told: Told) -> None:
    publish(host, tar({"README": b"read me"}))
    with pytest.raises(ToolError, match="has no hello"):
        make(released(host, member="hello")).ensure(["hello"], "release", told)
    publish(host, b"\x1f\x8b no archive")
    with pytest.raises(ToolError, match="no intact archive"):
        make(released(host, member="hello")).ensure(["hello"], "release", told)


def test_archive_entries_outside_are_left_out(make: Make, host: Host, told: Told, tmp_path: Path) -> None:
    publish(host, tar({"charts/../../../evil": b"evil", "charts/values.yaml": b"a: 1"}))
    charts = released(host, member="charts") | {"folder": True}
    got = make(charts).ensure(["hello"], "release", told)["hello"]
    assert [path.name for path in got.path.rglob("*")] == ["values.yaml"]
    assert list(tmp_path.rglob("evil")) == []


def test_charts_are_checked_against_the_index_of_their_repository(make: Make, host: Host, told: Told) -> None:
    archives = {name: tar({f"{name}/Chart.yaml": f"name: {name}".encode()}) for name in ("base", "istiod")}
    entries = {
        name: [
            {"version": "9", "digest": "0" * 64, "urls": [f"{name}-9.tgz"]},
            {"version": "1", "digest": sha256(content), "urls": [f"{name}-1.tgz"]},
        ]
        for name, content in archives.items()
    }
    host.files |= {f"/{name}-1.tgz": content for name, content in archives.items()}
    host.files["/index.yaml"] = yaml.safe_dump({"entries": entries}).encode()
    files = [
        {"url": f"{host.url}/{name}-1.tgz", "checksums": f"{host.url}/index.yaml", "member": name, "into": name}
        for name in archives
    ]
    charts = tool("charts", folder=True, release={"kind": "downloads", "files": files})
    got = make(charts).ensure(["charts"], "release", told)["charts"]
    assert (got.path / "istiod" / "Chart.yaml").read_text() == "name: istiod"
    assert (got.path / "base" / "Chart.yaml").read_text() == "name: base"


def test_several_programs_of_a_release_are_started_by_name(make: Make, host: Host, told: Told, tmp_path: Path) -> None:
    names = ["kube-apiserver", "kubelet"]
    for name in names:
        content = f'#!/bin/sh\necho {name} "$@"\n'.encode()
        host.files |= {f"/{name}": content, f"/{name}.sha256": sha256(content).encode()}
    files = [{"url": f"{host.url}/{n}", "checksums": f"{host.url}/{n}.sha256", "into": n} for n in names]
    spec = tool("kubernetes", release={"kind": "downloads", "dispatch": True, "files": files})
    got = make(spec).ensure(["kubernetes"], "release", told)["kubernetes"].path
    link = tmp_path / "kubelet"
    link.symlink_to(got)
    for command in ([str(link), "--a", "b c"], [str(got), "kubelet", "--a", "b c"]):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "kubelet --a b c\n"
    assert subprocess.run([got, "nothing"], capture_output=True, check=False).returncode == 2


def test_tool_without_release_says_why(make: Make, told: Told) -> None:
    with pytest.raises(ToolError, match=r"only inside an image.*--from build"):
        make(tool("hello", no_release="it is released only inside an image")).ensure(["hello"], "release", told)


def test_changed_release_is_another_tool(make: Make, host: Host, told: Told) -> None:
    publish(host)
    old = make(released(host)).ensure(["hello"], "release", told)["hello"]
    new = make(released(host, sha256=sha256(PROGRAM))).ensure(["hello"], "release", told)["hello"]
    assert old.path != new.path
