"""Images are put together from files, the same content always to the same bytes."""

import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.images import Image, ImageFile, ensure_archive


@pytest.fixture
def image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF program")
    return Image(
        "localhost/thing:1",
        {"/usr/bin/thing": ImageFile(program, 0o755), "/etc/thing": ImageFile(b"setting\n")},
        ["/usr/bin/thing"],
        links={"/bin/thing": "../usr/bin/thing"},
        folders={"/tmp": 0o1777},  # noqa: S108 - a folder in the image
        user="1337:1337",
    )


def read_json(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def blob(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def test_an_archive_holds_the_files_with_owner_and_permissions(image: Image, tmp_path: Path) -> None:
    made = ensure_archive(image, tmp_path / "cache")
    with tarfile.open(made.path) as archive:
        index = read_json(archive, "index.json")["manifests"][0]
        assert index["digest"] == made.digest
        assert index["annotations"]["io.containerd.image.name"] == "localhost/thing:1"
        manifest = read_json(archive, blob(index["digest"]))
        config = read_json(archive, blob(manifest["config"]["digest"]))
        assert config["config"]["User"] == "1337:1337"
        assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
        with tarfile.open(fileobj=archive.extractfile(blob(manifest["layers"][0]["digest"]))) as layer:
            found = {member.name: member for member in layer}
            content = layer.extractfile("usr/bin/thing")
            assert content is not None
            assert content.read() == b"\x7fELF program"
    assert found["usr/bin/thing"].mode == 0o755
    assert found["tmp"].mode == 0o1777
    assert found["bin/thing"].linkname == "../usr/bin/thing"
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


def test_the_same_content_gives_the_same_bytes_whenever_it_is_made(image: Image, tmp_path: Path) -> None:
    first = ensure_archive(image, tmp_path / "first")
    source = image.files["/usr/bin/thing"].source
    assert isinstance(source, Path)
    os.utime(source, (1, 1))
    second = ensure_archive(image, tmp_path / "second")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_finished_archive_is_used_again_and_changed_content_makes_another(image: Image, tmp_path: Path) -> None:
    first = ensure_archive(image, tmp_path / "cache")
    before = first.path.stat().st_mtime_ns
    assert ensure_archive(image, tmp_path / "cache") == first
    assert first.path.stat().st_mtime_ns == before
    source = image.files["/usr/bin/thing"].source
    assert isinstance(source, Path)
    source.write_bytes(b"\x7fELF changed")
    changed = ensure_archive(image, tmp_path / "cache")
    assert changed.path != first.path
    assert changed.digest != first.digest


def test_a_failure_half_way_leaves_no_archive(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lab.images._write_layer", full)
    with pytest.raises(OSError, match="No space left"):
        ensure_archive(replace(image, command=["new"]), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
