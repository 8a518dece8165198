"""What several of these tests start from."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.toolchain.stand_in import Host, Silent, serving, silent
from toolchain import Step, Toolchain, cache_root
from toolchain.cache import ToolCache
from toolchain.catalogue import Catalogue, read_catalogue
from toolchain.golang import GoBuilds


class Told:
    """A report that keeps what it was told."""

    def __init__(self) -> None:
        self.planned: list[Step] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.notes: list[str] = []
        self.closed = False

    def plan(self, steps: Sequence[Step]) -> None:
        self.planned += steps

    def start(self, step: Step) -> None:
        self.started.append(step.title)

    def end(self, step: Step, outcome: str) -> None:
        self.ended.append(f"{step.title}: {outcome}")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        self.closed = True


Make = Callable[..., Toolchain]


@pytest.fixture(scope="session")
def go_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build cache for all these tests, so that Go's own library is compiled once."""
    return tmp_path_factory.mktemp("gocache")


@pytest.fixture(scope="session")
def go_folder() -> Path:
    """Where `go` is: on PATH, or what the toolchain fetches where it is missing, once and not for each test."""
    return GoBuilds(ToolCache(cache_root()), read_catalogue()).go().parent


@pytest.fixture(autouse=True)
def use_go(go_folder: Path, go_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{go_folder}")
    monkeypatch.setenv("SPANMESH_GOCACHE", str(go_cache))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def host() -> Iterator[Host]:
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def silent_host() -> Iterator[Silent]:
    with silent() as stand_in:
        yield stand_in


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder with one Go module, ``hello``, whose program prints the variable ``main.version``."""
    folder = tmp_path / "modules" / "hello"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module spanmesh.dev/test/hello\n\ngo 1.26\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text('package main\n\nvar version string\n\nfunc main() { println("hello", version) }\n')
    return folder.parent


@pytest.fixture
def make(tmp_path: Path, modules: Path) -> Make:
    """Makes a toolchain over the tools given, with an own cache and a short probe."""

    def make_toolchain(*tools: dict[str, Any]) -> Toolchain:
        real = read_catalogue()
        catalogue = Catalogue.model_validate(real.model_dump() | {"tools": list(tools), "system": []})
        return Toolchain(catalogue, tmp_path / "cache", modules, probe_seconds=0.5)

    return make_toolchain


def tool(name: str, **fields: Any) -> dict[str, Any]:
    """A catalogue entry called ``name`` that builds the module ``hello``, changed by ``fields``."""
    return {
        "name": name,
        "version": "1.2.3",
        "what": "a program of the tests",
        "needed_by": "demo",
        "build": {"kind": "go", "module": "hello", "stamp": {"main.version": "1.2.3"}, "seconds": 10},
    } | fields


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
