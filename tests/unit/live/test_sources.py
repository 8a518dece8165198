"""Texts from outside the stack file: where each way leads, and what is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from live.sources import Sources, StackOutputsError
from topology import MeshConfigError
from topology.source import Source

KEY = "spanmesh:mesh.trust.rootCertificate"
OUTPUTS = {
    "pem": "TOP",
    "nested": {"pem": "NESTED", "number": 3, "closed": {}},
    "dotted.name": "DOTTED",
    "object": {"a": 1},
}


def outputs(stack: str) -> Mapping[str, Any]:
    if stack != "acme/pki/prod":
        raise StackOutputsError(f'unknown stack "{stack}"')
    return OUTPUTS


def read(project: Path, **where: str) -> str:
    return Sources(project, outputs).read(Source(**where), KEY)


def test_a_relative_path_starts_at_the_project(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("ROOT")
    assert read(tmp_path, path="root.pem") == "ROOT"


def test_a_variable_a_secret_and_an_output_hold_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT_PEM", "FROM ENV")
    assert read(tmp_path, env="ROOT_PEM") == "FROM ENV"
    assert read(tmp_path, secret="FROM CONFIG") == "FROM CONFIG"  # noqa: S106
    for output, text in {"pem": "TOP", "nested.pem": "NESTED", "dotted.name": "DOTTED", "object": "a: 1\n"}.items():
        assert read(tmp_path, stack="acme/pki/prod", output=output) == text


def test_another_stack_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []
    sources = Sources(tmp_path, lambda stack: asked.append(stack) or OUTPUTS)  # type: ignore[func-returns-value]
    for _ in range(2):
        sources.read(Source(stack="acme/pki/prod", output="pem"), KEY)
    assert asked == ["acme/pki/prod"]


@pytest.mark.parametrize(
    ("where", "key", "says"),
    [
        ({"path": "absent"}, "path", "No such file"),
        ({"path": "binary"}, "path", "is not text"),
        ({"env": "NOT_SET"}, "env", "$NOT_SET is empty. Set the environment variable NOT_SET to the text itself"),
        ({"secret": " "}, "secret", "the secret is empty"),
        (
            {"stack": "other", "output": "pem"},
            "stack",
            'the outputs of stack other cannot be read: unknown stack "other"',
        ),
        (
            {"stack": "acme/pki/prod", "output": "nested.key"},
            "output",
            "Outputs there: dotted.name, nested, object, pem",
        ),
        ({"stack": "acme/pki/prod", "output": "nested.number"}, "output", "is no text"),
        ({"stack": "acme/pki/prod", "output": "nested.closed"}, "output", "a secret that cannot be decrypted here"),
    ],
    ids=["no file", "no text", "no variable", "empty secret", "no stack", "no output", "a number", "not decrypted"],
)
def test_a_missing_text_is_refused_by_its_key(
    tmp_path: Path, where: dict[str, str], key: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MeshConfigError) as refused:
        read(tmp_path, **where)
    (problem,) = refused.value.problems
    assert problem.key == f"{KEY}.{key}"
    assert says in str(problem)
    assert not any(text in str(problem) for text in ("NESTED", "TOP", "DOTTED"))
