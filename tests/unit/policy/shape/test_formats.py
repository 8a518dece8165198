"""Names, durations and expressions as istiod takes them; expectations are those of istioctl validate."""

import pytest

from policy.shape import formats


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("reviews", True),
        ("*.example.com", True),
        ("*", True),
        ("*-a.example.com", True),
        ("a.example.com.", True),
        ("a.*.com", False),
        ("my_host", False),
        ("a..b", False),
        ("1.2.3.4", False),
        ("", False),
        ("x" * 64, False),
    ],
)
def test_wildcard_domain(host: str, taken: bool) -> None:
    assert formats.is_wildcard_domain(host) is taken


@pytest.mark.parametrize(
    ("text", "taken"),
    [("1ms", True), ("1h30m", True), ("1.5s", True), ("0s", False), ("500us", False), ("1.0005s", False), ("5", False)],
)
def test_duration(text: str, taken: bool) -> None:
    assert formats.is_duration(text) is taken


@pytest.mark.parametrize(
    ("text", "taken"),
    [("plain", True), ("100%%", True), ("%HOSTNAME%", True), ("50%", False), ("%START_TIME%%", False)],
)
def test_header_value(text: str, taken: bool) -> None:
    assert formats.is_header_value(text) is taken


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("./*", True),
        ("*/*", True),
        ("ns/a.b", True),
        ("~/*", True),
        ("a.b", False),
        ("ns/a", False),
        ("ns/*a.b", False),
    ],
)
def test_host_of_a_sidecar(text: str, taken: bool) -> None:
    assert formats.is_egress_host(text) is taken


@pytest.mark.parametrize(
    ("localities", "apart"),
    [
        (["r1/*", "r2/*"], True),
        (["r1/z1/*", "r1/z2/*"], True),
        (["r1/*", "r1/z1"], False),
        (["*", "r1"], False),
        (["r1//s"], False),
        (["r*/z"], False),
    ],
)
def test_localities(localities: list[str], apart: bool) -> None:
    assert formats.localities_apart(localities) is apart


@pytest.mark.parametrize(
    ("values", "namespace", "entry", "taken"),
    [
        (["."], "a", False, True),
        (["*"], "a", False, True),
        (["a", "b"], "c", False, True),
        ([".", "a"], "a", False, False),
        (["*", "a"], "b", False, False),
        (["~"], "a", False, False),
        (["~"], "a", True, True),
    ],
)
def test_export(values: list[str], namespace: str, entry: bool, taken: bool) -> None:
    assert formats.is_export_to(values, namespace, entry) is taken


def test_regex_is_re2() -> None:
    assert formats.is_regex("^/hello/[a-z]+$")
    assert not formats.is_regex("(?=a)b")
    assert not formats.is_regex("[")


def test_paths_with_templates() -> None:
    assert formats.is_path("/a/{*}/b/{**}")
    assert not formats.is_path("/{**}/a/{*}")
    assert not formats.is_path("/a/{id}")
