"""Where a lab keeps its things on disk, what it remembers, and the lock that keeps two commands apart."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.errors import LabError
from lab.plan import LabPlan, check_lab_name

RUN_ROOT = Path("/run/spanmesh")
LOCK_ROOT = Path("/run/lock")


def state_root() -> Path:
    """Folder with the state of all labs: $SPANMESH_STATE, by default /var/lib/spanmesh."""
    return Path(os.environ.get("SPANMESH_STATE") or "/var/lib/spanmesh").absolute()


class Memory(BaseModel):
    """What a lab remembers between commands.

    Attributes:
        regions: number of regions.
        nodes: nodes per region.
        istio_versions: versions of Istio whose images the nodes hold.
        ports: region name to the port on 127.0.0.1 where its API server answers.
        flat: groups of region names whose pods reach each other directly.
        complete: whether the last `up` came to its end.
    """

    model_config = ConfigDict(extra="forbid")

    regions: int
    nodes: int
    istio_versions: list[str] = []
    ports: dict[str, int] = {}
    flat: list[list[str]] = []
    complete: bool = False

    def plan(self, name: str) -> LabPlan:
        """The plan of the lab of this name."""
        return LabPlan(name, self.regions, self.nodes, tuple(map(tuple, self.flat)))


class LabFolders:
    """The folders of one lab."""

    def __init__(self, name: str) -> None:
        check_lab_name(name)
        self.name = name

    @property
    def state(self) -> Path:
        """All the lab's files."""
        return state_root() / "labs" / self.name

    @property
    def run(self) -> Path:
        """The lab's sockets; short, because the path of a socket may have only 107 characters."""
        return RUN_ROOT / self.name

    def machine(self, machine: str) -> Path:
        """The files of one machine."""
        return self.state / "machines" / machine

    def pki(self, region: str) -> Path:
        """Keys and certificates of one region."""
        return self.state / "pki" / region

    def kubeconfig(self, name: str) -> Path:
        """The operator's kubeconfig called `name`."""
        return self.state / "kubeconfigs" / f"{name}.yaml"

    def load(self) -> Memory | None:
        """What the lab remembers, or None if there is no such lab.

        Raises:
            LabError: the file is damaged.
        """
        try:
            return Memory.model_validate_json((self.state / "lab.json").read_text())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise LabError(
                f"{self.state / 'lab.json'} is damaged ({error.errors()[0]['msg']}); "
                f"`spanmesh lab down {self.name}` clears the lab away"
            ) from error

    def save(self, memory: Memory) -> None:
        """Write what the lab remembers, whole or not at all."""
        write_atomically(self.state / "lab.json", memory.model_dump_json(indent=2) + "\n")

    def plan(self) -> LabPlan:
        """The plan of the lab as it was brought up.

        Raises:
            LabError: there is no such lab.
        """
        memory = self.load()
        if memory is None:
            known = ", ".join(known_labs()) or "none"
            raise LabError(
                f"there is no lab {self.name!r} (labs here: {known}); bring it up with `spanmesh lab up {self.name}`"
            )
        return memory.plan(self.name)

    def delete(self) -> None:
        """Delete all files of the lab."""
        for folder in (self.state, self.run):
            if folder.exists():
                shutil.rmtree(folder)
        for empty in (state_root() / "labs", RUN_ROOT):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()


def known_labs() -> list[str]:
    """Names of the labs that have files."""
    labs = state_root() / "labs"
    return sorted(path.name for path in labs.iterdir() if path.is_dir()) if labs.is_dir() else []


def ports_of_other_labs(name: str) -> set[int]:
    """Ports on 127.0.0.1 that labs other than this one have been given."""
    taken: set[int] = set()
    for other in known_labs():
        if other == name:
            continue
        try:
            taken.update(json.loads((state_root() / "labs" / other / "lab.json").read_text()).get("ports", {}).values())
        except (OSError, ValueError):
            continue  # A lab that is coming up, going down, or damaged.
    return taken


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lab's lock: one command at a time changes a lab.

    Raises:
        LabError: another command holds it.
    """
    path = LOCK_ROOT / f"spanmesh-lab-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise LabError(
                f"lab {name}: another command is changing it (process {holder}); wait for it to end"
            ) from None
        # The holder before us may have deleted the file between our open and our lock.
        try:
            same = path.stat().st_ino == os.fstat(handle).st_ino
        except FileNotFoundError:
            same = False
        if same:
            break
        os.close(handle)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that nobody ever sees half of it.

    Args:
        path: the file; missing folders are made.
        text: its new content.
        mode: its permissions, in force before the first byte is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    partial.replace(path)
