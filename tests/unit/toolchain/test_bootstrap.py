"""The command `./spanmesh` and the Python environment that it makes for itself."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).parents[3]
CLI = "import sys\nfrom pathlib import Path\n\nprint('cli of', Path(__file__).parents[1].name, *sys.argv[1:])\n"


def write_tree(folder: Path) -> Path:
    """A tree with the real bootstrap, a lock without packages, and a command that prints its arguments."""
    for name in ("spanmesh", "toolchain/venv.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, folder / name)
    (folder / "requirements").mkdir()
    (folder / "requirements" / "lab.lock").write_text("# nothing\n")
    (folder / "cli").mkdir()
    (folder / "cli" / "__main__.py").write_text(CLI)
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose environment stands. Each test leaves one that does: to make one takes seconds."""
    folder = write_tree(tmp_path_factory.mktemp("bootstrap") / "tree")
    assert spanmesh(folder).returncode == 0
    return folder


def spanmesh(tree: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [tree / "spanmesh", *arguments], cwd=cwd or tree, env=env, capture_output=True, text=True, check=False
    )


def test_two_first_runs_at_once_make_one_environment(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "tree")
    runs = [
        subprocess.Popen([folder / "spanmesh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=120) for run in runs]
    assert [stdout for stdout, _ in answers] == ["cli of tree\n"] * 2
    assert sum("making the Python environment .venv" in stderr for _, stderr in answers) == 1


def test_environment_that_stands_is_used_as_it_is(tree: Path) -> None:
    made = (tree / ".venv" / "pyvenv.cfg").stat().st_mtime_ns
    ran = spanmesh(tree, "--name", "a b")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "cli of tree --name a b\n", "")
    assert (tree / ".venv" / "pyvenv.cfg").stat().st_mtime_ns == made


def test_command_works_from_any_folder_by_any_name(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cli").mkdir(parents=True)
    (elsewhere / "cli" / "__main__.py").write_text("print('wrong cli')\n")
    (elsewhere / "link").symlink_to(tree / ".venv" / "bin" / "spanmesh")
    for command in (tree / ".venv" / "bin" / "spanmesh", elsewhere / "link"):
        ran = subprocess.run([command], cwd=elsewhere, capture_output=True, text=True, check=True)
        assert ran.stdout == "cli of tree\n"


def test_changed_lock_makes_the_environment_anew(tree: Path) -> None:
    (tree / ".venv" / "stale").touch()
    with (tree / "requirements" / "lab.lock").open("a") as lock:
        lock.write("# and nothing else\n")
    assert "making the Python environment" in spanmesh(tree).stderr
    assert not (tree / ".venv" / "stale").exists()


def test_environment_that_was_not_finished_is_never_used(tree: Path) -> None:
    lock = tree / "requirements" / "lab.lock"
    good = lock.read_text()
    lock.write_text("no-such-package-of-spanmesh==1.0 --hash=sha256:" + "0" * 64 + "\n")
    failed = spanmesh(tree)
    lock.write_text(good)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "could not be made" in failed.stderr
    assert (tree / ".venv.log").exists()
    assert (tree / ".venv" / "bin" / "python").exists()
    again = spanmesh(tree)
    assert "making the Python environment" in again.stderr
    assert again.stdout == "cli of tree\n"


def test_copied_tree_makes_its_own_environment(tree: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tree, tmp_path / "copy", symlinks=True)
    ran = spanmesh(copy)
    assert ran.stdout == "cli of copy\n"
    assert "making the Python environment" in ran.stderr


def test_missing_python_is_said_with_the_cure(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "readlink", "dirname", "cat", "cut", "sha256sum", "flock", "id"):
        (tools / name).symlink_to(shutil.which(name) or "")
    script = (tree / "toolchain" / "venv.sh").read_text().replace(" /usr/bin/python3;", ";")
    (tree / "toolchain" / "venv.sh").write_text(script)
    env = {"PATH": str(tools)}
    ran = subprocess.run([tree / "spanmesh"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "Python 3.11 or newer" in ran.stderr or "python3-venv" in ran.stderr
