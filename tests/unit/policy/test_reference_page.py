"""The page of the checks: each rule once, in its chapter."""

import re
from dataclasses import replace

import pytest

from judges.hearing import RULES
from policy.reference import page

ONE = RULES[0]


def test_every_rule_has_a_row_and_a_section_with_its_source() -> None:
    text = page(RULES)
    for rule in RULES:
        assert f"| [{rule.code}](#{rule.code.lower()}) | {rule.severity} |" in text
        (section,) = re.findall(rf"### {rule.code}\n(.*?)(?=\n##|\Z)", text, flags=re.DOTALL)
        assert rule.source in section
        assert ("cannot be acknowledged" in section) is not rule.acknowledgeable


def test_two_rules_of_one_code_are_refused() -> None:
    with pytest.raises(ValueError, match=f"two rules have the code {ONE.code}"):
        page([ONE, replace(ONE, name="Another")])


def test_a_code_of_no_chapter_is_refused() -> None:
    with pytest.raises(ValueError, match="SM777 is of no chapter"):
        page([replace(ONE, code="SM777")])


def test_every_source_is_a_page_or_an_issue() -> None:
    assert [rule.code for rule in RULES if not rule.source.startswith("https://")] == []
