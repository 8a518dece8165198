"""Changes of single keys of the declared mesh in its file; comments, order and all other values stay."""

import difflib
import io
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.error import YAMLError as RoundTripError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from cli.stack_files import stack_config, stack_path
from live.declaration import MESH, MESH_FILE
from topology import MeshConfigError, Problem

# How people indent: mapping, list and its dash. The one that gives the file back as it stands is its own.
INDENTS = ((2, 4, 2), (2, 2, 0), (4, 4, 2), (4, 6, 4), (4, 4, 0))
# A longer line would be broken.
UNBROKEN = 1_000_000
Key = str | int


class StackEdit:
    """The file that declares a stack's mesh, open for changes; nothing is written before :meth:`save`.

    A path is told from the mesh: ``trust.rotation.stage`` or ``clusters[1].istio.version``.

    Attributes:
        path: the file: the stack file, or the one that its ``spanmesh:meshFile`` names.
    """

    path: Path

    def __init__(self, path: Path, root: tuple[str, ...]) -> None:
        """Read a file; what :meth:`open` is for.

        Args:
            path: a YAML file.
            root: the keys at which the mesh stands in it.

        Raises:
            MeshConfigError: it cannot be read, or it declares no mesh there.
        """
        self.path, self._root = path, root
        try:
            text = path.read_bytes().decode()
            self._line_end = "\r\n" if "\r\n" in text else "\n"
            text = text.replace("\r\n", "\n")
            self._plain = _unshared(yaml.safe_load(text))
            self._yaml, self._document = _round_trip(text)
        except OSError as error:
            raise MeshConfigError([Problem(str(path), f"cannot be read: {error.strerror}", "Correct it")]) from error
        except (UnicodeDecodeError, yaml.YAMLError, RoundTripError) as error:
            # Its own message would quote the file, which may hold secrets.
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark else ""
            raise MeshConfigError([Problem(str(path), f"it is not YAML{where}", "Correct it there")]) from None
        if not isinstance(_at(self._document, root), CommentedMap):
            raise MeshConfigError(
                [Problem(str(path), "declares no mesh", f"Write it at {'.'.join(root) or 'its top'}")]
            )

    @classmethod
    def open(cls, project: Path, stack: str) -> "StackEdit":
        """The file of a stack's mesh.

        Args:
            project: folder of Pulumi.yaml.
            stack: its name, as Pulumi takes it.

        Raises:
            MeshConfigError: there is none, or it cannot be read.
        """
        if mesh_file := stack_config(project, stack).get(MESH_FILE):
            return cls((project / Path(mesh_file).expanduser()).resolve(), ())
        return cls(stack_path(project, stack).resolve(), ("config", MESH))

    def get(self, path: str) -> Any:
        """The value at a path, as plain data; None where there is none."""
        return _at(self._plain, (*self._root, *keys(path)))

    def cluster(self, name: str) -> str:
        """Path of a cluster: ``clusters[1]``; KeyError where the mesh has none of that name."""
        for place, cluster in enumerate(self.get("clusters") or ()):
            if cluster.get("name") == name:
                return f"clusters[{place}]"
        raise KeyError(name)

    def set(self, path: str, value: str | int | bool | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Give a key a value; mappings on the way to it are made where they are missing.

        A list is written whole: comments within the one that stood there go with it.
        """
        way = (*self._root, *keys(path))
        node, plain, place = self._document, self._plain, 0
        while place < len(way) - 1 and _at(node, (way[place],)):
            node, plain, place = node[way[place]], plain[way[place]], place + 1
        whole: Any = value
        for key in reversed(way[place + 1 :]):
            whole = {key: whole}
        _put(node, way[place], _written(whole))
        plain[way[place]] = _plain(whole)

    def remove(self, path: str) -> None:
        """Take a key out, and the mappings above it that are empty then; nothing where it is not there."""
        way = (*self._root, *keys(path))
        while len(way) > len(self._root) and way[-1] in (_at(self._document, way[:-1]) or ()):
            node, plain = _at(self._document, way[:-1]), _at(self._plain, way[:-1])
            kept = _cut_comments(node, way[-1])
            place = list(node).index(way[-1])
            del node[way[-1]], plain[way[-1]]
            if node:
                _keep(node, place, kept)
                return
            way, node = way[:-1], _at(self._document, way[:-2])
            if kept and len(way) > len(self._root):
                _leave_comments(node, way[-1], kept)

    def text(self) -> str:
        """The file's text with the changes.

        Raises:
            MeshConfigError: the change would reach other keys too, as of a text that stands under a YAML alias.
        """
        written = _dumped(self._yaml, self._document)
        if _unshared(yaml.safe_load(written)) != self._plain:
            cause = "what changes here is shared by other keys (a YAML anchor, or `<<`)"
            raise MeshConfigError([Problem(str(self.path), cause, "Make this change by hand")])
        return written.replace("\n", self._line_end)

    def save(self) -> None:
        """Write the file: wholly or, where anything fails, not at all.

        Raises:
            MeshConfigError: as of :meth:`text`, or it cannot be written.
        """
        text = self.text()
        try:
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=f".{self.path.name}.", newline="", encoding="utf-8", delete=False
            ) as new:
                try:
                    new.write(text)
                    new.flush()
                    os.fsync(new.fileno())
                    Path(new.name).chmod(self.path.stat().st_mode & 0o777)
                    Path(new.name).replace(self.path)
                except BaseException:
                    Path(new.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            cure = "Nothing of it was changed. Make room or give the right to write, and run the same again"
            raise MeshConfigError([Problem(str(self.path), f"cannot be written: {error.strerror}", cure)]) from error


def keys(path: str) -> tuple[Key, ...]:
    """``("clusters", 1, "istio")`` from ``clusters[1].istio``."""
    return tuple(int(number) if number else word for word, number in re.findall(r"([^.[\]]+)|\[(\d+)\]", path))


def _round_trip(text: str) -> tuple[YAML, Any]:
    """The file as ruamel.yaml keeps it, with the indentation that changes the fewest of its lines."""
    lines, best = text.splitlines(), None
    for indent in INDENTS:
        reader = YAML()
        reader.preserve_quotes, reader.width = True, UNBROKEN
        reader.explicit_start = text.startswith("---")
        reader.indent(mapping=indent[0], sequence=indent[1], offset=indent[2])
        document = reader.load(text)
        changed = len(list(difflib.unified_diff(lines, _dumped(reader, document).splitlines(), n=0)))
        if best is None or changed < best[0]:
            best = changed, reader, document
        if not changed:
            break
    assert best is not None  # noqa: S101 - there are indentations to try
    return best[1:]


def _dumped(writer: YAML, document: Any) -> str:
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()


def _unshared(value: Any) -> Any:
    """A copy of plain data in which an alias is a copy too, so that a change of the one is none of the other."""
    if isinstance(value, dict):
        return {key: _unshared(below) for key, below in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _at(document: Any, way: Sequence[Key]) -> Any:
    for key in way:
        try:
            document = document[key]
        except (LookupError, TypeError):
            return None
    return document


def _plain(value: Any) -> Any:
    """A value as it is read back."""
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list | tuple) else value


def _written(value: Any) -> Any:
    """A value for ruamel.yaml; a text is quoted where Pulumi would read another type in it (`on`, a date, a number)."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _written(below) for key, below in value.items()})
    if isinstance(value, list | tuple):
        return CommentedSeq([_written(below) for below in value])
    if isinstance(value, str) and not _reads_as_itself(value):
        return DoubleQuotedScalarString(value)
    return value


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


# A comment on lines of its own belongs to what comes after it, but ruamel.yaml keeps it with what stands before it:
# so it is moved on where something is written between the two, and back where that is taken out.


def _put(node: Any, key: Key, value: Any) -> None:
    if isinstance(value, CommentedMap | CommentedSeq) or key not in node:
        before = key if key in node else next(reversed(node), None)
        kept = _cut_comments(node, before) if before is not None else ""
        node[key] = value
        if kept:
            _leave_comments(node, key, kept)
    else:
        node[key] = value


def _last_of(node: Any, key: Key) -> tuple[Any, Key]:
    """The last key or item below one, as it stands in the file."""
    below = node[key]
    while isinstance(below, CommentedMap | CommentedSeq) and below and not below.fa.flow_style():
        node, key = below, (list(below)[-1] if isinstance(below, CommentedMap) else len(below) - 1)
        below = node[key]
    return node, key


def _place_of_comment(node: Any) -> int:
    return 2 if isinstance(node, CommentedMap) else 0


def _cut_comments(node: Any, key: Key) -> str:
    """Take the comment lines off that stand after a key and all below it."""
    node, key = _last_of(node, key)
    tokens = node.ca.items.get(key)
    token = tokens[_place_of_comment(node)] if tokens else None
    if token is None:
        return ""
    own, newline, following = token.value.partition("\n")
    if not following:
        return ""
    token.value = own + newline
    return str(following)


def _leave_comments(node: Any, key: Key, following: str) -> None:
    """Put comment lines after a key and all below it."""
    node, key = _last_of(node, key)
    place = _place_of_comment(node)
    tokens = node.ca.items.setdefault(key, [None] * 4 if place else [None, None])
    if tokens[place] is None:
        tokens[place] = CommentToken("\n", CommentMark(0), None)
    tokens[place].value += following


def _keep(node: CommentedMap, place: int, kept: str) -> None:
    if not kept:
        return
    if place:
        _leave_comments(node, list(node)[place - 1], kept)
    else:
        lines = "\n".join(line.strip().removeprefix("#").strip() for line in kept.strip().splitlines())
        node.yaml_set_comment_before_after_key(next(iter(node)), before=lines, indent=node.lc.col)
