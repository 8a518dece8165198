"""The README names every key that a stack file may have."""

from pathlib import Path

from pydantic import BaseModel

from topology.model import Mesh

README = (Path(__file__).parents[3] / "README.md").read_text()


def keys(model: type[BaseModel]) -> set[str]:
    """Every key of a model and of the models below it."""
    found: set[str] = set()
    for definition in [model.model_json_schema(), *model.model_json_schema().get("$defs", {}).values()]:
        found |= set(definition.get("properties", {}))
    return found


def test_every_key_is_in_the_reference() -> None:
    reference = README[README.index("### Keys of `spanmesh:mesh`") : README.index("## When something is in the way")]
    assert len(keys(Mesh)) > 25
    assert [key for key in sorted(keys(Mesh)) if f"{key}`" not in reference and f".{key}" not in reference] == []
