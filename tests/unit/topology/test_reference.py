"""docs/configuration.md and the JSON Schemas say what the models say, and the page's examples work."""

import re

import pytest
import yaml
from pydantic import BaseModel

from cli.project import ROOT
from cli.reference import PAGE, reference_files
from topology import load_mesh
from topology.checks import doubts
from topology.model import Mesh, Sample
from topology.reference import BEGIN, END, NoMarksError, tables, with_tables

EXAMPLE = re.compile(r"```yaml\n(.*?)```", flags=re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE.read_text())


@pytest.mark.parametrize(
    "name", ["configuration.md", "policy-checks.md", "troubleshooting.md", "stack.schema.json", "mesh.schema.json"]
)
def test_checked_in_file_is_what_the_models_say(name: str) -> None:
    path, text = next((path, text) for path, text in reference_files().items() if path.name == name)
    assert path.read_text() == text, "run `./spanmesh reference`"


@pytest.mark.parametrize("model", [Mesh, Sample])
def test_every_key_of_every_model_has_a_row(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    sections = dict(re.findall(r"### (\w+)\n(.*?)(?=\n### |\Z)", tables(), flags=re.DOTALL))
    for name, definition in {model.__name__: schema, **schema.get("$defs", {})}.items():
        for key in definition["properties"]:
            assert f"\n| `{key}` | " in sections[name], (name, key)


def test_section_names_every_path_at_which_it_stands() -> None:
    assert "\n### Gateway\n\n`eastWest`, `clusters[].eastWest`\n" in tables()
    assert "\n### Group\n\n`groups.<name>`\n" in tables()


def test_defaults_that_hold_for_istio_where_nothing_is_said_are_shown() -> None:
    assert "| `timeoutSeconds` | number, at least 1 | `300` |" in tables()


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_is_a_good_mesh(text: str) -> None:
    document = yaml.safe_load(text)
    load_mesh(document["config"]["spanmesh:mesh"] if "config" in document else document)


def test_the_readmes_example_is_a_good_mesh_and_leaves_no_doubt() -> None:
    (text,) = [text for text in EXAMPLE.findall((ROOT / "README.md").read_text()) if "spanmesh:mesh" in text]
    mesh = load_mesh(yaml.safe_load(text)["config"]["spanmesh:mesh"])
    assert doubts(mesh) == []


def test_what_stands_around_the_tables_is_kept() -> None:
    assert len(EXAMPLES) >= 2
    assert with_tables(f"a\n{BEGIN}\nold\n{END}\nb\n") == f"a\n{BEGIN}\n{tables()}\n{END}\nb\n"


@pytest.mark.parametrize("page", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{END}"])
def test_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(NoMarksError):
        with_tables(page)
