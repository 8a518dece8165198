"""A disk for a folder that other files fill up, until it is enlarged."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
LARGE = "64m"


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory.

    Attributes:
        folder: where it is mounted.
        other: a file on it that takes whatever room is left.
    """

    folder: Path
    other: Path

    def fill(self) -> None:
        """Leave no block free."""
        try:
            with self.other.open("ab", buffering=0) as file:
                while file.write(bytes(BLOCK)):
                    pass
        except OSError:
            return

    def enlarge(self) -> None:
        """Make room."""
        mount("-o", f"remount,size={LARGE}", str(self.folder))
        self.other.unlink()


@contextmanager
def small_disk(folder: Path, free: int) -> Iterator[SmallDisk]:
    """Let a folder be on a small disk, its content with it; a plain folder with what it holds afterwards.

    Args:
        folder: the folder.
        free: bytes that are free at first.
    """
    before, after = folder.with_name(f"{folder.name}-before"), folder.with_name(f"{folder.name}-after")
    folder.rename(before)
    folder.mkdir()
    used = sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in before.rglob("*") if path.is_file())
    mount("-t", "tmpfs", "-o", f"size={used + free}", "tmpfs", str(folder))
    disk = SmallDisk(folder, folder / "other")
    try:
        shutil.copytree(before, folder, dirs_exist_ok=True)
        yield disk
    finally:
        disk.other.unlink(missing_ok=True)
        shutil.copytree(folder, after)
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        after.rename(folder)
        shutil.rmtree(before)


def mount(*arguments: str) -> None:
    """Mount, on this machine."""
    subprocess.run(["mount", *arguments], check=True)
