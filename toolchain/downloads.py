"""Official releases that are plain downloads: fetched, checked against the publisher's checksum, unpacked."""

import hashlib
import http.client
import platform
import re
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath

import yaml

from toolchain.cache import is_disk_full
from toolchain.catalogue import Download, FromDownloads
from toolchain.errors import ToolError
from toolchain.hosts import Hosts, base_of

READ_SECONDS = 10.0
CHUNK = 1 << 20
GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
DISPATCH = """#!/bin/sh
# Starts the program of the name that this is called by, or else of the first argument.
here=$(dirname "$(readlink -f "$0")")
name=$(basename "$0")
if [ ! -x "$here/$name" ] || [ "$name" = "@NAME@" ]; then
    name=$1
    shift
fi
[ -x "$here/$name" ] || { echo "unknown program \\"$name\\"" >&2; exit 2; }
exec "$here/$name" "$@"
"""


class DownloadError(Exception):
    """A release cannot be had this way; the message says why."""


def machine() -> str:
    """The processor as the kernel names it (``x86_64``, ``aarch64``).

    Raises:
        ToolError: nothing is pinned for this one.
    """
    name = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    if name not in GO_NAMES:
        raise ToolError(f"no tools are pinned for the processor {name}; supported are {', '.join(GO_NAMES)}")
    return name


def expand(url: str) -> str:
    """``url`` for this machine."""
    return url.replace("{arch}", GO_NAMES[machine()]).replace("{machine}", machine())


def fetch_release(release: FromDownloads, name: str, folder: Path, hosts: Hosts) -> str:
    """Fetch every file of ``release`` into ``folder``, where the tool is to be called ``name``.

    Returns:
        Where it is from.

    Raises:
        DownloadError: a host that does not answer, a missing file, a wrong checksum.
    """
    for download in release.files:
        url = expand(download.url)
        archive = folder / f".{PurePosixPath(url).name}"
        actual = _fetch(url, archive, hosts)
        expected = download.sha256 or _published_checksum(expand(download.checksums or ""), url, hosts)
        if actual != expected:
            raise DownloadError(f"{url} has the sha256 {actual}, expected is {expected}; it is not used")
        target = folder / name if download.into is None else folder / download.into
        if download.into is not None and not release.dispatch:
            target = folder / name / download.into
        target.parent.mkdir(parents=True, exist_ok=True)
        if download.member is None:
            archive.rename(target)
        else:
            _unpack(archive, download.member, target)
            archive.unlink()
        if target.is_file():
            target.chmod(0o755)
    if release.dispatch:
        script = folder / name
        script.write_text(DISPATCH.replace("@NAME@", name))
        script.chmod(0o755)
    return " ".join(expand(download.url) for download in release.files)


def urls_of(release: FromDownloads) -> list[str]:
    """Everything that has to be fetched for ``release``."""
    return [expand(url) for file in release.files for url in (file.url, file.checksums) if url]


def _fetch(url: str, target: Path, hosts: Hosts) -> str:
    """Write ``url`` to ``target`` and return its sha256."""
    total = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=READ_SECONDS) as answer, target.open("wb") as file:
            expected = answer.headers.get("Content-Length")
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                total.update(chunk)
            if expected is not None and file.tell() != int(expected):
                raise DownloadError(f"{url} ended after {file.tell()} of {expected} bytes; nothing of it is used")
    except urllib.error.HTTPError as cause:
        raise DownloadError(f"{url}: {cause.code} {cause.reason}") from cause
    except http.client.IncompleteRead as cause:
        raise DownloadError(f"{url} ended after {len(cause.partial)} bytes too early; nothing of it is used") from cause
    except (OSError, http.client.HTTPException) as cause:
        if isinstance(cause, OSError) and is_disk_full(cause):
            raise
        hosts.failed(url, str(getattr(cause, "reason", cause)))
        raise DownloadError(f"{url}: {getattr(cause, 'reason', cause)}") from cause
    return total.hexdigest()


def _published_checksum(checksums: str, url: str, hosts: Hosts) -> str:
    """The sha256 of ``url`` according to the publisher's file ``checksums``."""
    if (cause := hosts.cause(checksums)) is not None:
        raise DownloadError(f"{base_of(checksums)}: {cause}")
    try:
        with urllib.request.urlopen(checksums, timeout=READ_SECONDS) as answer:
            text: str = answer.read().decode()
    except (OSError, http.client.HTTPException) as cause:
        raise DownloadError(f"{checksums}: {cause}") from cause
    name = PurePosixPath(url).name
    if checksums.endswith("index.yaml"):
        for chart in (chart for charts in yaml.safe_load(text)["entries"].values() for chart in charts):
            if any(PurePosixPath(address).name == name for address in chart["urls"]):
                return str(chart["digest"])
    elif re.fullmatch(r"[0-9a-f]{64}", text.strip()):
        return text.strip()
    elif match := re.search(rf"(?m)^([0-9a-f]{{64}}) [ *]?(?:\S*/)?{re.escape(name)}$", text):
        return match.group(1)
    raise DownloadError(f"{checksums} names no checksum of {name}; it is not used unchecked")


def _unpack(archive: Path, member: str, target: Path) -> None:
    """Take the file ``member``, or the folder of that name, out of the tar file ``archive``."""
    found = False
    try:
        with tarfile.open(archive) as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if ".." in path.parts or not (path == PurePosixPath(member) or path.is_relative_to(member)):
                    continue
                content = tar.extractfile(entry) if entry.isfile() else None
                if content is None:
                    continue
                found = True
                place = target / path.relative_to(member)
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as file:
                    shutil.copyfileobj(content, file)
    except tarfile.TarError as cause:
        raise DownloadError(f"{archive.name[1:]} is no intact archive: {cause}") from cause
    if not found:
        raise DownloadError(f"{archive.name[1:]} has no {member}")


def check(download: Download) -> None:
    """Refuse a download that nothing vouches for.

    Raises:
        ToolError: neither a checksum nor a place of checksums is given.
    """
    if download.sha256 is None and download.checksums is None:
        raise ToolError(f"{download.url} has neither sha256 nor checksums in tools.yaml")
