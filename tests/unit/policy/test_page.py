"""docs/policy.md: its examples are what the program takes, and its defaults are the program's."""

import re
from typing import Any

import pytest
import yaml

from cli.project import ROOT
from policy.review import RULES
from policy.written import written
from policy.written.traffic import documents
from tests.unit.topology.test_load import changed
from topology import load_mesh
from topology.policy import LocalityFailover

TEXT = (ROOT / "docs/policy.md").read_text()
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)]
ITEMS = [example for example in EXAMPLES if isinstance(example, list)]
STACKS = [example for example in EXAMPLES if isinstance(example, dict) and "config" in example]


def test_the_page_has_examples_of_a_stack_and_of_both_helpers() -> None:
    assert len(STACKS) == 1
    assert {key for example in ITEMS for item in example for key in item} == {"canary", "localityFailover"}


@pytest.mark.parametrize("keys", [*(s["config"]["spanmesh:mesh"] for s in STACKS), *({"policies": i} for i in ITEMS)])
def test_an_example_is_taken_and_written(keys: dict[str, Any]) -> None:
    assert written(load_mesh(changed(keys)))


def test_what_the_page_calls_defaults_are_the_defaults() -> None:
    (shown,) = [item["localityFailover"] for items in ITEMS for item in items if "localityFailover" in item]
    silent = LocalityFailover.model_validate({key: shown[key] for key in ("service", "failover")})
    said = LocalityFailover.model_validate(shown)
    assert documents("", failover=said) == documents("", failover=silent)


def test_every_code_on_the_page_is_a_rule() -> None:
    assert set(re.findall(r"SM\d{3}", TEXT)) <= {rule.code for rule in RULES}
