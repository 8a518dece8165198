"""Policy files are read with the line of every key."""

import pytest

from policy.document import PolicyFileError, parse

TEXT = """# of the team that runs it
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld, namespace: sample}
spec:
  hosts: [helloworld]
  http:
    - route:
        - destination: {host: helloworld, subset: v1}
          weight: 80
---
# nothing
---
apiVersion: v1
kind: Service
metadata:
  name: helloworld
  annotations:
    number: 1
"""


def test_every_document_knows_its_lines() -> None:
    route, service = parse(TEXT, "policies/a.yaml")
    assert str(route) == "VirtualService sample/helloworld"
    assert (route.line, service.line) == (2, 14)
    assert route.line_of("spec", "http", 0, "route", 0, "weight") == 10
    assert route.identity == ("networking.istio.io", "VirtualService", "sample", "helloworld")
    assert service.identity == ("", "Service", "", "helloworld")
    assert service.annotations == {"number": "1"}


def test_what_is_not_there_has_the_line_of_what_is_above_it() -> None:
    route, _ = parse(TEXT, "a.yaml")
    assert route.line_of("spec", "http", 0, "retries", "attempts") == 8
    assert route.line_of("status") == route.line


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kind: A\nmetadata: {name: [}\n", 2, "expected"),
        ("kind: A\nspec: {}\nspec: {}\n", 3, "'spec' stands twice"),
        ("kind: A\n---\n- 1\n- 2\n", 3, "has to be one object"),
        ("a: \tb\n  c: d\n", 2, "mapping values are not allowed"),
        ("kind: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
    ],
)
def test_what_is_no_policy_file(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyFileError, match=words) as raised:
        parse(text, "a.yaml")
    assert (raised.value.file, raised.value.line) == ("a.yaml", line)


def test_anchors_and_merge_keys_are_followed() -> None:
    (document,) = parse("base: &b {a: 1}\nspec:\n  <<: *b\n  c: 2\n", "a.yaml")
    assert document.spec == {"a": 1, "c": 2}
    assert document.line_of("spec", "c") == 4


def test_values_are_those_of_json() -> None:
    (document,) = parse("spec: {ports: {8080: {mode: DISABLE}}, since: 2026-01-01, none: null}\n", "a.yaml")
    assert document.spec == {"ports": {"8080": {"mode": "DISABLE"}}, "since": "2026-01-01", "none": None}
    assert document.line_of("spec", "ports", "8080") == 1
