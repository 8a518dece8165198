"""What routes lead to, held against meshes of one to three clusters: the tables stand in *.yaml beside this."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.checks import ROUTES, RULES
from policy.checks.facts import Facts
from tests.unit.policy.checks.worlds import summary, world_of

TABLES = ["weights.yaml", "subsets.yaml", "hosts.yaml", "services.yaml", "names.yaml"]
ROWS: list[dict[str, Any]] = [
    row for table in TABLES for row in yaml.safe_load((Path(__file__).parent / table).read_text())
]


@pytest.mark.parametrize("row", ROWS, ids=[row["name"].replace(" ", "-") for row in ROWS])
def test_a_route_is_told_what_it_leads_to(row: dict[str, Any]) -> None:
    facts = Facts(world_of(row))
    findings = [finding for module in ROUTES for finding in module.check(facts)]
    assert sorted(map(summary, findings)) == sorted(row["findings"]), "\n".join(map(str, findings))
    text = "\n".join(map(str, findings))
    for says in row.get("says", []):
        assert says in text
    if "stops" in row:
        assert any(finding.stops for finding in findings) == row["stops"]


def test_every_rule_has_a_row_that_breaks_it() -> None:
    broken = {finding.split()[0] for row in ROWS for finding in row["findings"]}
    assert {rule.code for module in ROUTES for rule in module.RULES} <= broken


def test_codes_are_unique() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
