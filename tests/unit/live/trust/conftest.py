"""An update and a preview of a stack whose clusters are told by the test."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from live.trust import guard
from tests.unit.live.trust.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An update of the stack ``prod``; nothing sleeps."""
    made = World()

    @dataclass
    class Answer:
        value: dict[str, Any]

    def sleep(seconds: float) -> None:
        made.seconds += seconds

    monkeypatch.setattr(pulumi.runtime, "invoke", lambda *_: Answer({"outputs": made.state}))
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi.log, "warn", made.warnings.append)
    monkeypatch.setattr(pulumi.log, "info", lambda _: None)
    monkeypatch.setattr(guard, "read_all_held", made.ask)
    monkeypatch.setattr("live.trust.waiting.read_all_held", made.ask)
    monkeypatch.setattr("live.trust.waiting.refresh_mounted", made.refreshed.update)
    monkeypatch.setattr("live.trust.waiting.time", SimpleNamespace(monotonic=lambda: 1000 + made.seconds, sleep=sleep))
    yield made


@pytest.fixture
def preview(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, previewed."""
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    return world
