"""What a program asks the engine of its own state, and how often."""

from types import SimpleNamespace

import pulumi
import pytest

from live.own_state import UnreadableStateError, own_resources

URN = "urn:pulumi:prod::spanmesh::pulumi:pulumi:Stack::spanmesh-prod"


ANSWER = SimpleNamespace(value={"outputs": {URN: {"type": "pulumi:pulumi:Stack"}}})


def test_the_engine_is_asked_once_in_a_run_for_all_that_want_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def invoke(_: str, arguments: dict[str, str]) -> SimpleNamespace:
        asked.append(arguments["stackName"])
        return ANSWER

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    assert own_resources("prod") == own_resources("prod") == {URN: {"type": "pulumi:pulumi:Stack"}}
    assert asked == ["prod"]


def test_a_state_that_could_not_be_read_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("passphrase must be set")

    monkeypatch.setattr(pulumi.runtime, "invoke", broken)
    with pytest.raises(UnreadableStateError, match="passphrase must be set"):
        own_resources("prod")
    monkeypatch.setattr(pulumi.runtime, "invoke", lambda *_: ANSWER)
    assert own_resources("prod")
