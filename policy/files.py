"""Policy files: the only place where this room reads the disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policy.document import Document, PolicyFileError, parse
from policy.finding import Finding, Rule
from topology.errors import MeshConfigError, Problem
from topology.policy import Narrowed, PolicyFile, PolicyItem

NOT_YAML = Rule(
    "SM100",
    "Not YAML",
    "error",
    "Nothing of the file can be applied",
    "Write one object a document, documents divided by ---",
    "https://yaml.org/spec/1.2.2/",
    acknowledgeable=False,
)
RULES = (NOT_YAML,)
SUFFIXES = {".yaml", ".yml"}


@dataclass
class Read:
    """What stood in policy files.

    Attributes:
        documents: each with what its item in the stack file says of where it goes.
        findings: files that are not YAML.
    """

    documents: list[tuple[Document, Narrowed]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_items(items: Sequence[PolicyItem], folder: Path, key: str = "spanmesh:mesh.policies") -> Read:
    """Every document of the files that a stack names.

    Args:
        items: the stack's ``policies``; those that are not files are left out.
        folder: the project's folder, from which paths are told.
        key: the key path of the list, for errors.

    Raises:
        MeshConfigError: a file or folder is not there, cannot be read, or a folder holds no YAML.
    """
    read = Read()
    problems: list[Problem] = []
    seen: dict[Path, str] = {}
    for index, item in enumerate(items):
        if not isinstance(item, str | PolicyFile):
            continue
        narrowed = PolicyFile(path=item) if isinstance(item, str) else item
        at = f"{key}[{index}]"
        try:
            for path in _files(folder / narrowed.path):
                if first := seen.get(path.resolve()):
                    problems.append(Problem(at, f"{path} is named by {first} too", "Name each file once"))
                    continue
                seen[path.resolve()] = at
                _read(path, _name(path, folder), narrowed, read)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            cure = "Paths are told from the project's folder, where Pulumi.yaml stands"
            problems.append(Problem(at, f"{narrowed.path}: {why}", cure))
    if problems:
        raise MeshConfigError(problems)
    return read


def read_paths(paths: Sequence[Path]) -> Read:
    """Every document of files and folders that no stack names.

    Args:
        paths: as the user gave them.

    Raises:
        OSError: one is not there or cannot be read.
    """
    read = Read()
    for each in paths:
        for path in _files(each):
            _read(path, str(path), Narrowed(), read)
    return read


def _read(path: Path, name: str, narrowed: Narrowed, read: Read) -> None:
    try:
        read.documents += [(document, narrowed) for document in parse(path.read_text("utf-8"), name)]
    except PolicyFileError as error:
        read.findings.append(Finding(NOT_YAML, error.file, error.line, "", error.cause))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not found:
        raise FileNotFoundError(2, "the folder holds no *.yaml", str(path))
    yield from found
