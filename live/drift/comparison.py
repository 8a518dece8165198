"""Two forms of one object held against each other: as somebody declared it, and as it is live.

Only what was declared is compared, because Kubernetes fills in the rest; what was not declared counts where the API
server says that somebody else set it.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from kubernetes.utils.quantity import parse_quantity

from live.drift.managers import Manager, Managers, latest

# The first that tells the items of a list apart is what they are paired by.
ITEM_KEYS = ("name", "mountPath", "containerPort", "port")
QUANTITIES = {"limits", "requests"}
QUANTITY = {"divisor", "sizeLimit", "averageValue"}
CONTEXT_LINES = 3
KEPT = ("apiVersion", "kind", "status")
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "absent"})()
Path = tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """One field that is not as declared.

    Attributes:
        path: where it is: ``spec.template.spec.containers[discovery].env[PILOT_TRACE_SAMPLING].value``.
        change: ``missing``: declared, not there; ``changed``; ``added``: there, not declared.
        by: who set it, as the API server keeps book; empty where it does not say, and of what is missing.
        time: when, in RFC 3339; empty where it is not said.
    """

    path: str
    change: str
    by: str = ""
    time: str = ""


@dataclass(frozen=True)
class Manner:
    """How objects of a kind are compared.

    Attributes:
        typed: whether it is one of Kubernetes' own types: its API server leaves out what is empty, merges lists by
            key, and has quantities and ports in more than one spelling. Of a custom resource it keeps what it is given.
        ignored: whether the field at a path is left out, given the path, the declared value and the live one.
    """

    typed: bool
    ignored: Callable[[Path, Any, Any], bool] = field(default=lambda path, declared, live: False)


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        differences: every field that is not as declared; empty: in step.
        diff: declared to live, as a unified diff of YAML with nothing but what is compared; empty: in step.
        mended: of one that is not in step, the live object with nothing but the differences put right.
    """

    differences: tuple[Difference, ...] = ()
    diff: str = ""
    mended: Mapping[str, Any] = field(default_factory=dict)


def compare(declared: Mapping[str, Any], live: Mapping[str, Any], manner: Manner) -> Comparison:
    """Hold an object against its live form.

    Args:
        declared: the object; of its metadata, labels and annotations count.
        live: as the API server gives it, with its managedFields.
        manner: how objects of its kind are compared.
    """
    comparing = _Comparing(manner)
    managers = Managers.of(live)
    seen = comparing.fields(_meant(declared), _meant(live), (), managers)
    if not comparing.found:
        return Comparison()
    meant = seen.mended.pop("metadata")
    mended = {**{key: live[key] for key in KEPT if key in live}, **seen.mended}
    mended["metadata"] = {**live["metadata"], **meant}
    return Comparison(tuple(comparing.found), unified(seen.before, seen.after), mended)


def unified(before: Any, after: Any) -> str:
    """A unified diff of two values as YAML, declared to live."""
    lines = difflib.unified_diff(
        as_yaml(before).splitlines(), as_yaml(after).splitlines(), "declared", "live", n=CONTEXT_LINES, lineterm=""
    )
    return "\n".join(lines)


def as_yaml(value: Any) -> str:
    """Block style, keys in alphabetical order, texts of several lines as they are."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=200)


def _meant(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = item.get("metadata") or {}
    kept = {key: value for key, value in item.items() if key not in {*KEPT, "metadata"}}
    return {**kept, "metadata": {key: metadata.get(key) or {} for key in ("labels", "annotations")}}


@dataclass(frozen=True)
class _Seen:
    """A part of both forms: what a reader has to see of each, and what the live one should be.

    Where both agree, ``before`` and ``after`` are the same; what is not compared is absent from both.
    """

    before: Any
    after: Any
    mended: Any


class _Comparing:
    """Walks both forms at once and notes every difference."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self.found: list[Difference] = []

    def fields(self, declared: Mapping[str, Any], live: Mapping[str, Any], path: Path, managers: Managers) -> _Seen:
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        mended: dict[str, Any] = {}
        for name in sorted(declared.keys() | live.keys(), key=str):
            seen = self._part(
                declared.get(name, ABSENT), live.get(name, ABSENT), (*path, str(name)), managers.field(str(name))
            )
            for side, value in ((before, seen.before), (after, seen.after), (mended, seen.mended)):
                if value is not ABSENT:
                    side[name] = value
        return _Seen(before, after, mended)

    def _part(self, declared: Any, live: Any, path: Path, managers: Managers) -> _Seen:
        if self._manner.ignored(path, declared, live):
            return _Seen(ABSENT, ABSENT, live)
        if declared is ABSENT:
            return self._undeclared(live, path, managers)
        if live is ABSENT:
            return self._lost(declared, path)
        if isinstance(declared, Mapping) and isinstance(live, Mapping):
            return self.fields(declared, live, path, managers)
        if isinstance(declared, list) and isinstance(live, list):
            return self._items(declared, live, path, managers)
        return self._values(declared, live, path, managers)

    def _values(self, declared: Any, live: Any, path: Path, managers: Managers) -> _Seen:
        if self._same(declared, live, path):
            return _Seen(declared, declared, live)
        self._note(path, "changed", latest(managers.names))
        return _Seen(declared, live, declared)

    def _lost(self, declared: Any, path: Path) -> _Seen:
        if declared is None or (self._manner.typed and not declared):
            return _Seen(ABSENT, ABSENT, ABSENT)
        self._note(path, "missing", None)
        return _Seen(declared, ABSENT, declared)

    def _undeclared(self, live: Any, path: Path, managers: Managers) -> _Seen:
        # Labels and annotations are everybody's; so are the pods' of a workload: `kubectl rollout restart` sets one.
        if "annotations" in path or path[:2] == ("metadata", "labels"):
            return _Seen(ABSENT, ABSENT, live)
        foreign = managers.foreign()
        if foreign or not (managers.known or self._manner.typed):
            self._note(path, "added", latest(foreign))
            return _Seen(ABSENT, live, ABSENT)
        if managers.names and isinstance(live, Mapping):
            # Set by an installer or a controller, but perhaps with something below that somebody else added.
            seen = self.fields({}, live, path, managers)
            return _Seen(ABSENT, seen.after or ABSENT, seen.mended)
        return _Seen(ABSENT, ABSENT, live)

    def _items(self, declared: Sequence[Any], live: Sequence[Any], path: Path, managers: Managers) -> _Seen:
        before: list[Any] = []
        after: list[Any] = []
        mended: list[Any] = []
        for name, wanted, index in self._paired(declared, live):
            there = live[index] if index is not None else ABSENT
            below = managers.item(there, index) if index is not None else Managers()
            where = (*path[:-1], f"{path[-1]}[{name}]")
            if wanted is ABSENT:
                seen = self._extra_item(there, where, below)
            elif there is ABSENT:
                self._note(where, "missing", None)
                seen = _Seen(wanted, ABSENT, wanted)
            else:
                seen = self._part(wanted, there, where, below)
            for side, value in ((before, seen.before), (after, seen.after), (mended, seen.mended)):
                if value is not ABSENT:
                    side.append(value)
        return _Seen(before, after, mended)

    def _extra_item(self, item: Any, path: Path, managers: Managers) -> _Seen:
        # An installer's own, such as what an admission webhook of the cloud put in while it installed, is no drift.
        foreign = managers.foreign()
        if self._manner.typed and managers.names and not foreign:
            return _Seen(ABSENT, ABSENT, item)
        self._note(path, "added", latest(foreign))
        return _Seen(ABSENT, item, ABSENT)

    def _paired(self, declared: Sequence[Any], live: Sequence[Any]) -> Iterator[tuple[str, Any, int | None]]:
        """Name, declared item and index of the live one, for all items of either list."""
        key = _key(declared, live) if self._manner.typed else None
        if key is None:
            for index in range(max(len(declared), len(live))):
                wanted = declared[index] if index < len(declared) else ABSENT
                yield str(index), wanted, index if index < len(live) else None
            return
        places = {item[key]: index for index, item in enumerate(live)}
        for item in declared:
            yield str(item[key]), item, places.pop(item[key], None)
        for name, index in places.items():
            yield str(name), ABSENT, index

    def _same(self, declared: Any, live: Any, path: Path) -> bool:
        if isinstance(declared, bool) or isinstance(live, bool) or not self._manner.typed:
            return bool(declared == live) and isinstance(declared, bool) == isinstance(live, bool)
        if QUANTITIES & set(path[:-1]) or path[-1] in QUANTITY:
            try:
                return bool(parse_quantity(declared) == parse_quantity(live))
            except ValueError:
                return False
        return declared == live or str(declared) == str(live)

    def _note(self, path: Path, change: str, by: Manager | None) -> None:
        self.found.append(Difference(".".join(path), change, by.name if by else "", by.time if by else ""))


def _key(declared: Sequence[Any], live: Sequence[Any]) -> str | None:
    for key in ITEM_KEYS:
        if all(
            isinstance(item, Mapping) and isinstance(item.get(key), str | int) for item in (*declared, *live)
        ) and all(len({item[key] for item in items}) == len(items) for items in (declared, live)):
            return key
    return None


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no anchors: this is for reading."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
