"""Container images put together from files, as OCI archives that `ctr images import` takes. Nothing is pulled."""

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Raise it when archives made before must not be used any more.
_RECIPE = 1


@dataclass(frozen=True)
class ImageFile:
    """One file of an image: from a file of this machine, or with the given content."""

    source: Path | bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """An image to put together.

    Attributes:
        reference: its full name, such as `localhost/pause:1`.
        files: absolute path in the image to its file.
        links: absolute path in the image to the target of the symbolic link.
        folders: absolute path in the image to the permissions of an empty folder.
        entrypoint: what containers start.
        command: default arguments.
        user: user and group, numeric; empty for root.
        environment: variables of every container.
    """

    reference: str
    files: Mapping[str, ImageFile]
    entrypoint: Sequence[str]
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)
    command: Sequence[str] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """An image as a file; `digest` is what containerd reports for it once imported."""

    reference: str
    path: Path
    digest: str


def ensure_archive(image: Image, cache: Path) -> Archive:
    """Put an image together, or find it in the cache: the same content gives the same bytes.

    Args:
        image: the image.
        cache: folder for archives.

    Returns:
        the archive.
    """
    path = cache / f"{image.reference.rpartition('/')[2].replace(':', '-')}-{_content_key(image)}.tar"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _remove_left_over(cache)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            _write_archive(image, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    with tarfile.open(path) as archive:
        index = archive.extractfile("index.json")
        assert index is not None  # noqa: S101 - written below
        digest: str = json.load(index)["manifests"][0]["digest"]
    return Archive(image.reference, path, digest)


def _remove_left_over(cache: Path) -> None:
    """What a process left that was killed while it wrote."""
    for path in [*cache.glob("*.partial"), *cache.glob("*.layer")]:
        pid = path.suffixes[-2].removeprefix(".") if len(path.suffixes) > 1 else ""
        if not (Path("/proc") / (pid or "none")).exists():
            path.unlink(missing_ok=True)


def _content_key(image: Image) -> str:
    content = {
        "recipe": _RECIPE,
        "files": {path: [file.mode, _digest(file.source)] for path, file in image.files.items()},
        "links": dict(image.links),
        "folders": dict(image.folders),
        "config": _config(image, "", platform.machine()),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _digest(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_archive(image: Image, target: Path) -> None:
    layer = target.with_suffix(".layer")  # <name>.<pid>.layer
    try:
        with layer.open("wb") as file:
            _write_layer(image, file)
        layer_digest = "sha256:" + _digest(layer)
        config = _encode(_config(image, layer_digest, platform.machine()))
        manifest = _encode(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": layer_digest,
                        "size": layer.stat().st_size,
                    }
                ],
            }
        )
        entry = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
        entry["annotations"] = {"io.containerd.image.name": image.reference}
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, "oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", _encode({"schemaVersion": 2, "manifests": [entry]}))
            for blob in (config, manifest):
                _add(archive, _blob(_descriptor("", blob)["digest"]), blob)
            with layer.open("rb") as file:
                archive.addfile(_info(_blob(layer_digest), size=layer.stat().st_size), file)
    finally:
        layer.unlink(missing_ok=True)


def _write_layer(image: Image, target: IO[bytes]) -> None:
    folders = dict(image.folders)
    for path in [*image.files, *image.links, *image.folders]:
        for parent in Path(path).parents:
            folders.setdefault(str(parent), 0o755)
    folders.pop("/", None)
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted(folders):
            layer.addfile(_info(path, mode=folders[path], kind=tarfile.DIRTYPE))
        for path, link in sorted(image.links.items()):
            info = _info(path, mode=0o777, kind=tarfile.SYMTYPE)
            info.linkname = link
            layer.addfile(info)
        for path, file in sorted(image.files.items()):
            if isinstance(file.source, bytes):
                layer.addfile(_info(path, size=len(file.source), mode=file.mode), io.BytesIO(file.source))
            else:
                with file.source.open("rb") as content:
                    layer.addfile(_info(path, size=os.fstat(content.fileno()).st_size, mode=file.mode), content)


def _config(image: Image, layer_digest: str, machine: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Cmd": list(image.command),
            "User": image.user,
            "WorkingDir": "/",
            "Env": [
                f"{key}={value}"
                for key, value in {
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    **image.environment,
                }.items()
            ],
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {
        "mediaType": media_type,
        "digest": "sha256:" + hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def _blob(digest: object) -> str:
    return "blobs/sha256/" + str(digest).removeprefix("sha256:")


def _encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_info(name, size=len(content)), io.BytesIO(content))


def _info(path: str, *, size: int = 0, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode, info.type = size, mode, kind
    return info
