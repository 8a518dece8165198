"""An archive appears whole or not at all, for its owner alone, and says what is in it."""

import json
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from live.bundle import archive as module
from live.bundle.archive import Archive, ClosedError, archive
from live.bundle.masker import Masker

SECRET = "correct-horse-battery"  # noqa: S105 - of these tests


def unpacked(path: Path) -> dict[str, str]:
    """Content by path within the archive."""
    with tarfile.open(path) as tar:
        return {m.name: (tar.extractfile(m) or pytest.fail(m.name)).read().decode() for m in tar.getmembers()}


def test_files_are_masked_and_listed_with_what_they_were_read_from(tmp_path: Path) -> None:
    with archive(tmp_path / "a.tar.gz", "top", Masker([SECRET])) as made:
        made.add("log.txt", f"it said {SECRET}", "a log")
        made.add("clusters/one/x.json", {"items": [{"note": SECRET, "password": "short"}]}, "an object")
        made.lacks("clusters/two/", "cluster two", f"401 by {SECRET}")
        made.write_index({"stack": "test", "token": SECRET})
    assert (tmp_path / "a.tar.gz").stat().st_mode & 0o777 == 0o600
    files = unpacked(tmp_path / "a.tar.gz")
    index = json.loads(files["top/index.json"])
    assert [each["path"] for each in index["files"]] == ["clusters/one/x.json", "log.txt"]
    assert index["files"][1] == {"path": "log.txt", "source": "a log", "bytes": len(files["top/log.txt"])}
    assert index["missing"][0]["source"] == "cluster two"
    assert index["stack"] == "test"
    assert not [name for name, text in files.items() if SECRET in text or "short" in text]


def test_until_it_is_whole_there_is_no_archive_and_after_an_interruption_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"

    def interrupted() -> None:
        with archive(path, "top", Masker()) as made:
            made.add("log.txt", "x" * 100_000, "a log")
            assert not path.exists()
            (unfinished,) = tmp_path.iterdir()
            assert unfinished.stat().st_mode & 0o777 == 0o600
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_is_late_for_an_archive_that_was_given_up_does_not_enter_it(tmp_path: Path) -> None:
    with archive(tmp_path / "a.tar.gz", "top", Masker()) as made:
        pass
    with pytest.raises(ClosedError):
        made.add("late.txt", "late", "somebody slow")


def test_one_cluster_cannot_take_more_than_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_SHARE", 1000)
    with archive(tmp_path / "a.tar.gz", "top", Masker()) as made:
        made.add("clusters/one/a.txt", "long " * 150, "one")
        made.add("clusters/one/b.txt", "long " * 150, "one")
        made.add("clusters/two/a.txt", "long " * 150, "two")
    assert [each.path for each in made.held] == ["clusters/one/a.txt", "clusters/two/a.txt"]
    (missing,) = made.missing
    assert "clusters/one may have are used up" in missing.reason


def test_several_threads_fill_one_archive(tmp_path: Path) -> None:
    def fill(made: Archive, name: str) -> None:
        for number in range(20):
            made.add(f"{name}/{number}.txt", f"{name} {number}", name)

    with archive(tmp_path / "a.tar.gz", "top", Masker()) as made:
        threads: list[Any] = [threading.Thread(target=fill, args=(made, name)) for name in "abcd"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    files = unpacked(tmp_path / "a.tar.gz")
    assert len(files) == 80
    assert files["top/c/7.txt"] == "c 7"
