"""Documents in a private folder, one file each, and where the lines of those files come from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from policy.document import Document, parse


class WrittenOut:
    """Files for a program that reads YAML.

    Args:
        folder: private to this process, empty.
        documents: a file is written for each.
    """

    def __init__(self, folder: Path, documents: Sequence[Document]) -> None:
        self._documents: dict[str, Document] = {}
        self._folder = folder
        for index, document in enumerate(documents):
            path = folder / f"{index:05}.yaml"
            path.write_text(_text(document.body), "utf-8")
            self._documents[path.name] = document

    @property
    def files(self) -> list[Path]:
        """In the order of the documents."""
        return [self._folder / name for name in self._documents]

    def further(self, name: str, objects: Sequence[Any]) -> Path:
        """A file of other objects, which nothing is said of."""
        path = self._folder / f"{name}.yaml"
        path.write_text("---\n".join(_text(each) for each in objects), "utf-8")
        return path

    def place(self, reference: str) -> tuple[Document, tuple[str | int, ...]] | None:
        """The document and the path in it that ``<file>:<line>`` stands for; None for another's file."""
        file, _, line = reference.rpartition(":")
        document = self._documents.get(Path(file).name)
        if document is None or not line.isdigit():
            return None
        [copy] = parse(_text(document.body), file)
        paths = [path for path, number in copy.lines.items() if number <= int(line)]
        return document, max(paths, key=lambda path: (copy.lines[path], len(path)), default=())


def _text(body: Any) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
