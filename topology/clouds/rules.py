"""The kinds of rule that a cloud's file may state; each says what is wrong with the settings of a gateway."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from topology.clouds.settings import Settings
from topology.declared import Declared
from topology.errors import Problem

Condition = dict[str, bool | list[str]]
"""Name of an annotation or key to whether it is set, or to the patterns one of which a value has to match."""


def holds(condition: Condition, settings: Settings) -> bool:
    """Whether every part of a condition is met."""
    return all(
        bool(settings.given(name)) == wanted
        if isinstance(wanted, bool)
        else any(_matches(value, wanted) for value in settings.given(name))
        for name, wanted in condition.items()
    )


def _matches(value: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


class Rule(Declared):
    """What every rule says besides its own part."""

    when: Condition = Field(default_factory=dict, description="Where it applies; empty: to every load balancer.")
    because: str = Field(min_length=10, description="Why, as the source has it; no full stop.")
    cure: str = Field(min_length=5, description="What to write instead; no full stop.")
    source: str = Field(description="Key of `sources`.")

    def refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """Name of what is refused, and the cause, for each refusal."""
        if holds(self.when, settings):
            yield from self._refusals(settings)

    @abstractmethod
    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        raise NotImplementedError

    @abstractmethod
    def names(self) -> list[str]:
        """Annotations and keys that the rule is about."""
        raise NotImplementedError

    @abstractmethod
    def statement(self) -> str:
        """The rule's own part for a reader, in Markdown."""
        raise NotImplementedError


class OfSeveral(Rule):
    """A rule about several annotations or keys."""

    of: list[str] = Field(min_length=1, description="Annotations and keys of the gateway.")

    def names(self) -> list[str]:
        """Annotations and keys that the rule is about."""
        return self.of


class OfOne(Rule):
    """A rule about the values of one annotation or key."""

    of: str = Field(description="An annotation or a key of the gateway.")

    def names(self) -> list[str]:
        """Annotations and keys that the rule is about."""
        return [self.of]


class Never(OfSeveral):
    """None of them may be set."""

    rule: Literal["never"]

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        yield from ((name, self.because) for name in self.of if settings.given(name))

    def statement(self) -> str:
        """For example: no `a`, `b`."""
        return f"no {_code(self.of)}"


class Needs(OfSeveral):
    """All of them must be set."""

    rule: Literal["needs"]

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        yield from ((name, f"{name} is missing: {self.because}") for name in self.of if not settings.given(name))

    def statement(self) -> str:
        """For example: `a` and `b` are needed."""
        return f"needs {_code(self.of)}"


class ExactlyOne(OfSeveral):
    """One of them must be set, and no more than one."""

    rule: Literal["exactlyOne"]

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        given = [name for name in self.of if settings.given(name)]
        if not given:
            yield self.of[0], f"none of {', '.join(self.of)} is given: {self.because}"
        if len(given) > 1:
            yield given[-1], f"{' and '.join(given)} are given together: {self.because}"

    def statement(self) -> str:
        """For example: exactly one of `a`, `b`."""
        return f"exactly one of {_code(self.of)}"


class AtMostOne(OfSeveral):
    """No two of them may be set together."""

    rule: Literal["atMostOne"]

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        given = [name for name in self.of if settings.given(name)]
        if len(given) > 1:
            yield given[-1], f"{' and '.join(given)} are given together: {self.because}"

    def statement(self) -> str:
        """For example: at most one of `a`, `b`."""
        return f"at most one of {_code(self.of)}"


class OneOf(OfSeveral):
    """At least one of them must be set."""

    rule: Literal["oneOf"]

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        if not any(settings.given(name) for name in self.of):
            yield self.of[0], f"none of {', '.join(self.of)} is given: {self.because}"

    def statement(self) -> str:
        """For example: one of `a`, `b`."""
        return f"at least one of {_code(self.of)}"


class Values(OfOne):
    """If it is set, every value matches one of the patterns (as of a file name: ``*`` stands for any text)."""

    rule: Literal["values"]
    allowed: list[str] = Field(min_length=1)

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        for value in settings.given(self.of):
            if not _matches(value, self.allowed):
                yield self.of, f"{value!r} is not {' or '.join(self.allowed)}: {self.because}"

    def statement(self) -> str:
        """For example: `a`: `x` or `y`."""
        return f"`{self.of}`: {' or '.join(f'`{value}`' for value in self.allowed)}"


class NotValues(OfOne):
    """If it is set, no value matches one of the patterns."""

    rule: Literal["notValues"]
    refused: list[str] = Field(min_length=1)

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        for value in settings.given(self.of):
            if _matches(value, self.refused):
                yield self.of, f"{value!r} is given: {self.because}"

    def statement(self) -> str:
        """For example: `a` not `x`."""
        return f"`{self.of}` not {_code(self.refused)}"


class Form(OfOne):
    """If it is set, every value has the form of a regular expression, whole."""

    rule: Literal["form"]
    regex: str

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        for value in settings.given(self.of):
            if not re.fullmatch(self.regex, value):
                yield self.of, f"{value!r}: {self.because}"

    def statement(self) -> str:
        """For example: `a` as below."""
        return f"form of `{self.of}`"


class JsonObject(OfOne):
    """If it is set, it is a JSON object, with the keys of ``has`` where its own keys have the values of ``where``."""

    rule: Literal["json"]
    where: dict[str, str] = Field(default_factory=dict)
    has: list[str] = Field(default_factory=list)

    def _refusals(self, settings: Settings) -> Iterator[tuple[str, str]]:
        for value in settings.given(self.of):
            try:
                found = json.loads(value)
            except ValueError as error:
                yield self.of, f"it is no JSON ({error}): {self.because}"
                continue
            if not isinstance(found, dict):
                yield self.of, f"it is JSON, but no object: {self.because}"
            elif lacking := self._lacking(found):
                yield self.of, f"it lacks {', '.join(lacking)}: {self.because}"

    def _lacking(self, found: dict[str, object]) -> list[str]:
        if any(found.get(key) != wanted for key, wanted in self.where.items()):
            return []
        return [key for key in self.has if not found.get(key)]

    def statement(self) -> str:
        """For example: `a` is a JSON object with `x`."""
        keys = f" with {_code(self.has)}" if self.has else ""
        where = f" where {_code([f'{key}: {value}' for key, value in self.where.items()])}" if self.where else ""
        return f"`{self.of}` is a JSON object{keys}{where}"


AnyRule = Annotated[
    Never | Needs | ExactlyOne | AtMostOne | OneOf | Values | NotValues | Form | JsonObject, Field(discriminator="rule")
]


def problems_of(rule: Rule, settings: Settings, source: str) -> Iterator[Problem]:
    """What a rule refuses, each with the key path, the cause, the cure and the page that says so.

    Args:
        rule: the rule.
        settings: what the gateway sets.
        source: URL of the page.
    """
    for name, cause in rule.refusals(settings):
        yield Problem(settings.path(name), cause, f"{rule.cure} ({source})")


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
