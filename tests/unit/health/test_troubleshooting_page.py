"""docs/troubleshooting.md: each cause once, in its chapter, with all that a reader needs."""

import re
from dataclasses import replace

import pytest

from health.check import Check
from health.checks import EVERY_CHECK
from health.reference import anchor, page

FIRST = EVERY_CHECK[0]
CAUSE = FIRST.causes[0]


def test_every_cause_has_a_section_at_its_anchor_with_symptom_cause_cure_and_source() -> None:
    text = page(EVERY_CHECK)
    sections = dict(re.findall(r"### (SM\d+)\n(.*?)(?=\n##|\Z)", text, flags=re.DOTALL))
    for check in EVERY_CHECK:
        for cause in check.causes:
            assert f"`{check.name}`" in sections[cause.code]
            assert cause.severity in sections[cause.code]
            assert cause.source in sections[cause.code]
            assert all(f"- {word}: " in sections[cause.code] for word in ("Symptom", "Cause", "Cure"))
            assert anchor(cause) == f"docs/troubleshooting.md#{cause.code.lower()}"


def test_a_check_comes_after_those_that_it_needs() -> None:
    seen: set[str] = set()
    for check in EVERY_CHECK:
        assert set(check.needs) <= seen, check.name
        seen.add(check.name)


def test_every_source_is_a_page_or_an_issue() -> None:
    assert [c.code for check in EVERY_CHECK for c in check.causes if not c.source.startswith("https://")] == []


def test_one_cause_in_two_checks_has_one_section() -> None:
    text = page([FIRST, replace(FIRST, name="another")])
    assert text.count(f"### {CAUSE.code}\n") == 1
    assert f"found by `{FIRST.name}`, `another`" in text


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([FIRST, Check("other", "", (replace(CAUSE, name="Another"),))], f"two causes have the code {CAUSE.code}"),
        ([Check("other", "", (replace(CAUSE, code="SM777"),))], "SM777 is of no chapter"),
        ([FIRST, FIRST], f"two checks are called {FIRST.name}"),
    ],
)
def test_what_would_make_codes_or_names_ambiguous_is_refused(checks: list[Check], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        page(checks)
