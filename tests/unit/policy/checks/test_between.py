"""What goes wrong between regions, networks and clusters, on meshes of two and three: tables are the *.yaml here."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.checks import between
from policy.checks.facts import Facts
from tests.unit.policy.checks.worlds import summary, world_of

TABLES = ["locality.yaml", "canary.yaml", "mtls.yaml", "visibility.yaml", "conflicts.yaml", "mirroring.yaml"]
ROWS: list[dict[str, Any]] = [
    row for table in TABLES for row in yaml.safe_load((Path(__file__).parent / table).read_text())
]


@pytest.mark.parametrize("row", ROWS, ids=[row["name"].replace(" ", "-") for row in ROWS])
def test_policy_is_told_what_it_does_between_clusters(row: dict[str, Any]) -> None:
    findings = list(between.check(Facts(world_of(row))))
    text = "\n".join(map(str, findings))
    assert sorted(map(summary, findings)) == sorted(row["findings"]), text
    for says in row.get("says", []):
        assert says in text
    if "stops" in row:
        assert any(finding.stops for finding in findings) == row["stops"]


def test_every_rule_has_a_row_that_breaks_it() -> None:
    broken = {finding.split()[0] for row in ROWS for finding in row["findings"]}
    assert {rule.code for rule in between.RULES} <= broken


def test_codes_are_unique() -> None:
    codes = [rule.code for rule in between.RULES]
    assert len(codes) == len(set(codes))
