"""Way 3: builds from pinned Go modules, by the real compiler."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Make, Told, script, tool
from toolchain import ToolError
from toolchain.patching import apply_patch, read_patch

TREE = Path(__file__).parents[3]


def test_builds_the_program_with_its_stamp(make: Make, told: Told) -> None:
    got = make(tool("hello")).ensure(["hello"], report=told)["hello"]
    assert got.origin == "build"
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stderr == "hello 1.2.3\n"
    assert told.ended == ["build hello: 1.2.3 (build)"]
    assert told.closed


def test_builds_for_this_machine_whatever_the_user_builds_for(
    make: Make, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOROOT", "/nowhere")
    got = make(tool("hello")).ensure(["hello"], report=told)["hello"]
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stderr == "hello 1.2.3\n"


def test_what_stands_is_not_built_again(make: Make, told: Told) -> None:
    first = make(tool("hello")).ensure(["hello"], report=told)["hello"]
    assert make(tool("hello")).ensure(["hello"], "build", told)["hello"] == first
    assert told.started == ["build hello"]


def test_tools_are_built_in_the_order_of_the_list_not_of_the_call(make: Make, told: Told) -> None:
    make(tool("first"), tool("second")).ensure(["second", "first"], report=told)
    assert told.started == ["build first", "build second"]


@pytest.mark.parametrize("file", ["go.sum", "go.mod", "main.go", "patch/new.go"])
def test_every_file_of_the_module_counts_for_the_key(make: Make, modules: Path, told: Told, file: str) -> None:
    toolchain = make(tool("hello"))
    built = toolchain.ensure(["hello"], report=told)["hello"]
    path = modules / "hello" / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else None
    path.write_text((before or "package patch\n") + "\n")
    assert make(tool("hello")).find("hello") is None
    if before is not None:
        path.write_text(before)
        assert make(tool("hello")).find("hello") == built


def test_other_stamp_is_another_tool(make: Make, told: Told) -> None:
    make(tool("hello")).ensure(["hello"], report=told)
    build = {"kind": "go", "module": "hello", "stamp": {"main.version": "4"}, "seconds": 10}
    assert make(tool("hello", build=build)).find("hello") is None


def test_build_writes_nothing_into_the_tree(make: Make, modules: Path, told: Told) -> None:
    before = {path: path.stat().st_mtime_ns for path in modules.rglob("*")}
    make(tool("hello")).ensure(["hello"], report=told)
    assert {path: path.stat().st_mtime_ns for path in modules.rglob("*")} == before


def test_build_cache_is_dropped_once_the_tools_stand(make: Make, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPANMESH_GOCACHE")
    toolchain = make(tool("hello"))
    toolchain.ensure(["hello"], report=told)
    assert not toolchain.cache.build.exists()


def test_failure_shows_step_log_and_cause_and_keeps_what_stands(make: Make, modules: Path, told: Told) -> None:
    broken = shutil.copytree(modules / "hello", modules / "broken")
    (broken / "main.go").write_text("package main\n\nfunc main() { undefinedThing() }\n")
    build = {"kind": "go", "module": "broken", "seconds": 10}
    toolchain = make(tool("hello"), tool("broken", build=build))
    with pytest.raises(ToolError) as caught:
        toolchain.ensure(["hello", "broken"], report=told)
    message = str(caught.value)
    assert message.startswith("build broken failed")
    assert "undefined: undefinedThing" in message
    log = toolchain.cache.logs / "build-broken.log"
    assert str(log) in message
    assert "undefined: undefinedThing" in log.read_text()
    assert toolchain.find("hello") is not None
    assert toolchain.find("broken") is None
    assert told.closed


def test_missing_go_sum_entry_is_refused(make: Make, modules: Path, told: Told) -> None:
    (modules / "hello" / "go.mod").write_text("module x.dev/x\n\ngo 1.26\n\nrequire golang.org/x/text v0.30.0\n")
    (modules / "hello" / "main.go").write_text(
        'package main\n\nimport "golang.org/x/text/width"\n\nfunc main() { println(width.Widen.String("a")) }\n'
    )
    with pytest.raises(ToolError, match=r"missing go.sum entry"):
        make(tool("hello")).ensure(["hello"], report=told)


# A compiler that writes half of the program and then hangs, to be interrupted there.
HANGING_GO = """case $1 in
env) echo go1.26.8 ;;
build)
    while [ $# -gt 0 ]; do [ "$1" = -o ] && target=$2; shift; done
    printf 'half a program' >"$target"
    touch "$HANGS"
    exec sleep 60 ;;
esac"""

RUN = """
import sys
from pathlib import Path
from toolchain import Toolchain
from toolchain.catalogue import Catalogue
Toolchain(Catalogue.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])).ensure(["hello"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_half_written_program_of_an_interrupted_build_is_never_used(
    make: Make, modules: Path, tmp_path: Path, told: Told, number: signal.Signals
) -> None:
    toolchain = make(tool("hello"))
    script(tmp_path / "hanging" / "go", HANGING_GO)
    hangs = tmp_path / "hangs"
    env = os.environ | {"PATH": f"{tmp_path / 'hanging'}:{os.environ['PATH']}", "HANGS": str(hangs)}
    arguments = [toolchain.catalogue.model_dump_json(), str(toolchain.cache.root), str(modules)]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], cwd=TREE, env=env, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not hangs.exists():
            assert process.poll() is None
            time.sleep(0.02)
        # As a terminal does: to the whole group, which frees the lock in any case.
        os.killpg(process.pid, number)
        assert process.wait(20) != 0
    assert toolchain.find("hello") is None
    got = toolchain.ensure(["hello"], report=told)["hello"]
    assert subprocess.run([got.path], capture_output=True, text=True, check=True).stderr == "hello 1.2.3\n"
    assert list(toolchain.cache.staging.iterdir()) == []


def test_two_builders_at_once_build_once(make: Make, modules: Path, told: Told) -> None:
    toolchains = [make(tool("hello")) for _ in range(2)]
    got = []
    threads = [threading.Thread(target=lambda t=t: got.append(t.ensure(["hello"], report=told))) for t in toolchains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert got[0] == got[1]
    assert told.started == ["build hello"]
    assert [note for note in told.notes if "another spanmesh is installing tools" in note]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs root, to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_named_as_such_with_the_cure(make: Make, tiny_disk: Path, tmp_path: Path, told: Told) -> None:
    (tmp_path / "cache").symlink_to(tiny_disk)
    toolchain = make(tool("hello"))
    with pytest.raises(ToolError) as caught:
        toolchain.ensure(["hello"], report=told)
    message = str(caught.value)
    assert message.startswith("build hello: the disk of")
    assert "is full" in message
    assert "SPANMESH_CACHE" in message
    assert toolchain.find("hello") is None


def test_cache_that_cannot_be_written_is_named(make: Make, tmp_path: Path, told: Told) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ToolError, match=r"cannot write the cache .*SPANMESH_CACHE"):
        make(tool("hello")).ensure(["hello"], report=told)


def test_unknown_tool_is_named_with_those_that_are_known(make: Make) -> None:
    with pytest.raises(ToolError, match="no tool is called 'helo'; known are: hello"):
        make(tool("hello")).ensure(["helo"])


PATCH = """module: x.dev/x
version: v1.0.0
sum: h1:abc
into: copy
remove: [big]
edits:
  - {file: a.go, old: "use(big)", new: "use(small)"}
copies:
  - {source: schema.json, target: schema.json}
"""


@pytest.fixture
def patched(tmp_path: Path) -> tuple[Path, Path]:
    """A module and a build folder with a patch for it."""
    module, build = tmp_path / "module", tmp_path / "build"
    (module / "big").mkdir(parents=True)
    (module / "big" / "big.go").write_text("package big\n")
    (module / "a.go").write_text("use(big)\n")
    (module / "schema.json").write_text("{}")
    (module / "a.go").chmod(0o444)
    build.mkdir()
    (build / "patch.yaml").write_text(PATCH)
    return module, build


def test_patch_copies_edits_and_leaves_the_module_as_it_is(patched: tuple[Path, Path]) -> None:
    module, build = patched
    patch = read_patch(build)
    assert patch is not None
    for _ in range(2):
        apply_patch(patch, module, build)
        assert (build / "copy" / "a.go").read_text() == "use(small)\n"
        assert not (build / "copy" / "big").exists()
        assert (build / "schema.json").read_text() == "{}"
    assert (module / "a.go").read_text() == "use(big)\n"


@pytest.mark.parametrize("text", ["use(other)\n", "use(big)\nuse(big)\n"])
def test_patch_that_does_not_fit_exactly_once_is_refused(patched: tuple[Path, Path], text: str) -> None:
    module, build = patched
    (module / "a.go").chmod(0o644)
    (module / "a.go").write_text(text)
    patch = read_patch(build)
    assert patch is not None
    with pytest.raises(ToolError, match=r"edit of a.go .* does not fit"):
        apply_patch(patch, module, build)
