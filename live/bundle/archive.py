"""The archive: everything enters it by one door, at which it is masked; before that nothing is on the disk."""

import io
import json
import os
import tarfile
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from live.bundle.masker import Masker

# Of one cluster, before compression; about a tenth of it is what the archive grows by.
LARGEST_SHARE = 48 * 1024 * 1024
SHARE_DEPTH = 2
INDEX = "index.json"


class ClosedError(Exception):
    """The archive takes nothing more: it is given up."""


@dataclass(frozen=True)
class Held:
    """A file of the archive.

    Attributes:
        path: its path below the archive's folder.
        source: what it was read from.
        bytes: its size.
    """

    path: str
    source: str
    bytes: int


@dataclass(frozen=True)
class Missing:
    """What should be in the archive and could not be had.

    Attributes:
        path: its path if it were there.
        source: what it would have been read from.
        reason: why it is not there.
    """

    path: str
    source: str
    reason: str


class Archive:
    """Takes files from several threads at once; made by :func:`archive`."""

    def __init__(self, tar: tarfile.TarFile, top: str, masker: Masker) -> None:
        self._tar, self._top, self._masker = tar, top, masker
        self._lock = threading.Lock()
        self._closed = False
        self._sizes: defaultdict[str, int] = defaultdict(int)
        self.held: list[Held] = []
        self.missing: list[Missing] = []

    def add(self, path: str, content: Any, source: str) -> None:
        """Mask something and take it in.

        Args:
            path: path below the archive's folder; its first parts say whose share it is of.
            content: a text, or what JSON can say.
            source: what it was read from, for the index.

        Raises:
            ClosedError: the archive is given up.
        """
        # One at a time: masking is work for the processor, and what is being masked is what takes memory.
        with self._lock:
            if self._closed:
                raise ClosedError
            text = self._masker.text(content) if isinstance(content, str) else self._json(content)
            data = text.encode(errors="replace")
            share = "/".join(path.split("/")[:SHARE_DEPTH])
            if self._sizes[share] + len(data) > LARGEST_SHARE:
                reason = f"the {LARGEST_SHARE // 1024**2} MiB that {share} may have are used up: {len(data)} bytes more"
                self.missing.append(Missing(path, source, reason))
                return
            self._sizes[share] += len(data)
            self._write(path, data)
            self.held.append(Held(path, source, len(data)))

    def lacks(self, path: str, source: str, reason: str) -> None:
        """Note that something could not be had.

        Args:
            path: its path if it were there.
            source: what it would have been read from.
            reason: why not.
        """
        with self._lock:
            self.missing.append(Missing(path, source, self._masker.text(reason)))

    def lacking(self, prefix: str) -> int:
        """How much below a folder could not be had."""
        with self._lock:
            return sum(each.path.startswith(prefix) for each in self.missing)

    def holding(self, prefix: str) -> int:
        """How many files there are below a folder."""
        with self._lock:
            return sum(each.path.startswith(prefix) for each in self.held)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._closed = True

    def write_index(self, about: Any) -> None:
        """What is in the archive, and what could not be had and why.

        Args:
            about: facts of the archive itself, of which JSON can be made.
        """
        with self._lock:
            files = [asdict(each) for each in sorted(self.held, key=lambda each: each.path)]
            missing = [asdict(each) for each in sorted(self.missing, key=lambda each: each.path)]
            index = {**self._masker.document(about), "files": files, "missing": missing}
            self._write(INDEX, (json.dumps(index, indent=1) + "\n").encode())

    def _json(self, content: Any) -> str:
        return json.dumps(self._masker.document(content), indent=1, ensure_ascii=False, default=str) + "\n"

    def _write(self, path: str, data: bytes) -> None:
        member = tarfile.TarInfo(f"{self._top}/{path}")
        member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
        self._tar.addfile(member, io.BytesIO(data))


@contextmanager
def archive(path: Path, top: str, masker: Masker) -> Iterator[Archive]:
    """A new archive, there under its name only once it is whole; readable by its owner alone.

    Args:
        path: the file; one that is there is replaced.
        top: name of the one folder in it.
        masker: masks whatever enters.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
            made = Archive(tar, top, masker)
            try:
                yield made
            finally:
                made.close()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
