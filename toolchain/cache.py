"""Where tools are kept: a folder per tool and key, complete or absent."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from toolchain.errors import ToolError

Origin = Literal["path", "release", "build"]
RECORD = "tool.json"


@dataclass(frozen=True)
class Tool:
    """A tool that is there.

    Attributes:
        name: its id, ``name`` or ``name@version``.
        version: its version, as it says itself or as it was built.
        path: the program, or the folder of files.
        origin: found on the machine, official release, or built.
    """

    name: str
    version: str
    path: Path
    origin: Origin


def cache_root() -> Path:
    """``$SPANMESH_CACHE``, or ``spanmesh`` in the user's cache folder."""
    if given := os.environ.get("SPANMESH_CACHE"):
        return Path(given).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "spanmesh"


def digest(*parts: bytes) -> str:
    """Short hash for a key; every part counts with its length."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:16]


class ToolCache:
    """The folders ``<root>/tools/<tool>/<key>``.

    A tool is prepared in a folder beside and renamed into place when it is whole: what is found is never half of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = root / "tools"
        self.staging = self.tools / ".staging"
        self.downloads = root / "downloads"
        self.build = root / "build"
        self.logs = root / "logs"

    def get(self, tool: str, keys: list[str]) -> Tool | None:
        """The tool under the key of ``keys`` that was installed last, if any."""
        found = [record for key in keys if (record := self.tools / tool / key / RECORD).is_file()]
        if not found:
            return None
        latest = max(found, key=lambda record: record.stat().st_mtime_ns)
        values = json.loads(latest.read_text())
        return Tool(tool, values["version"], latest.parent / values["path"], cast(Origin, values["origin"]))

    def put(self, tool: str, key: str, name: str, make: Callable[[Path], tuple[str, Origin, str]]) -> Tool:
        """Have ``make`` fill an empty folder with ``name`` in it, then move it into place.

        Args:
            tool: id of the tool.
            key: what identifies this content.
            name: file or folder that ``make`` leaves in the folder it is given.
            make: returns version, origin, and a text that says where it is from.
        """
        self.staging.mkdir(parents=True, exist_ok=True)
        # A name of its own each time: a compiler that outlived its interrupted run cannot write into it.
        folder = Path(tempfile.mkdtemp(prefix=f"{tool}-", dir=self.staging))
        folder.chmod(0o755)
        try:
            version, origin, source = make(folder)
            if not (folder / name).exists():
                raise ToolError(f"{tool}: {source} did not give the expected {name}")
            record = {"tool": tool, "version": version, "origin": origin, "source": source, "path": name}
            (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")
            os.sync()
            place = self.tools / tool / key
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            folder.rename(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Tool(tool, version, place / name, origin)

    @contextmanager
    def lock(self, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Only one process (or thread) installs at a time; ``on_wait`` is told if another one does."""
        try:
            self.tools.mkdir(parents=True, exist_ok=True)
            handle = (self.tools / ".lock").open("w")
        except OSError as cause:
            raise ToolError(
                f"cannot write the cache {self.root}: {cause.strerror}; name another folder in SPANMESH_CACHE"
            ) from cause
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait(f"another spanmesh is installing tools into {self.root}; waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            shutil.rmtree(self.staging, ignore_errors=True)
            yield

    def free_gigabytes(self) -> float:
        """Space on the disk of the cache."""
        where = next(path for path in [self.root, *self.root.parents] if path.exists())
        return shutil.disk_usage(where).free / 1e9

    def disk_full(self, doing: str, gigabytes: float) -> ToolError:
        """The error for a full disk; ``gigabytes`` is what the step needs at most."""
        return ToolError(
            f"{doing}: the disk of {self.root} is full "
            f"({self.free_gigabytes():.1f} GB free, up to {gigabytes:g} GB are needed). "
            "What is finished stays; free some space, or name another folder in SPANMESH_CACHE, and run this again"
        )


def is_disk_full(cause: OSError) -> bool:
    """Whether ``cause`` says that no space, or no quota, is left."""
    return cause.errno in (errno.ENOSPC, errno.EDQUOT)


def raise_if_disk_full(lines: Iterable[str]) -> None:
    """Raise what a full disk raises if a program said so in ``lines``.

    Raises:
        OSError: with ENOSPC.
    """
    if any(phrase in line.lower() for line in lines for phrase in ("no space left on device", "disk quota exceeded")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
