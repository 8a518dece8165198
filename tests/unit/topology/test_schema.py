"""The JSON Schemas admit what the program admits, and refuse the shapes that it refuses."""

from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from cli.project import ROOT
from tests.unit.topology.test_load import CASES, GOOD, changed
from topology.model import Mesh
from topology.schema import mesh_schema, stack_schema

STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))
MESHES = sorted((ROOT / "stacks").glob("*.mesh.yaml"))
STACK, MESH = jsonschema.Draft7Validator(stack_schema()), jsonschema.Draft7Validator(mesh_schema())


def with_mesh(mesh: Any, **config: Any) -> dict[str, Any]:
    return {"config": {"spanmesh:mesh": mesh, **config}}


def of_shape(mesh: dict[str, Any]) -> bool:
    """Whether every key by itself is well-formed; of what goes together a schema knows nothing."""
    try:
        Mesh.model_validate(mesh)
    except ValidationError as error:
        return all(found["type"] == "value_error" for found in error.errors())
    return True


MISSHAPED = [case for case in CASES if not of_shape(changed(case["set"]))]


def test_schemas_are_schemas() -> None:
    jsonschema.Draft7Validator.check_schema(stack_schema())
    jsonschema.Draft7Validator.check_schema(mesh_schema())


@pytest.mark.parametrize("path", STACKS, ids=[path.name for path in STACKS])
def test_every_stack_file_is_admitted_and_names_the_schema(path: Any) -> None:
    text = path.read_text()
    STACK.validate(yaml.safe_load(text))
    assert "# yaml-language-server: $schema=../docs/stack.schema.json" in text


@pytest.mark.parametrize("path", MESHES, ids=[path.name for path in MESHES])
def test_every_mesh_file_is_admitted(path: Any) -> None:
    MESH.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("case", MISSHAPED, ids=[case["name"] for case in MISSHAPED])
def test_wrong_shape_is_refused_by_both_schemas(case: dict[str, Any]) -> None:
    assert not STACK.is_valid(with_mesh(changed(case["set"])))
    assert not MESH.is_valid(changed(case["set"]))


def test_there_are_wrong_shapes_among_the_bad_input() -> None:
    assert len(MISSHAPED) >= 10
    STACK.validate(with_mesh(GOOD))
    MESH.validate(GOOD)


@pytest.mark.parametrize(
    "kubeconfig",
    [
        {},
        {"context": "admin"},
        {"path": "a", "context": None},
        {"env": "A"},
        {"secret": {"secure": "v1:abc"}},
        {"stack": "a/b/c", "output": "d.e"},
    ],
)
def test_each_way_to_a_kubeconfig_is_admitted(kubeconfig: dict[str, Any]) -> None:
    STACK.validate(with_mesh(changed({"clusters.0.kubeconfig": kubeconfig})))


@pytest.mark.parametrize(
    "kubeconfig",
    [
        {"path": "a", "env": "B"},
        {"secret": "plain text"},
        {"stack": "a/b/c"},
        {"output": "d"},
        {"secret": {"secure": 1}},
    ],
)
def test_two_ways_half_a_way_and_plain_secrets_are_refused(kubeconfig: dict[str, Any]) -> None:
    assert not STACK.is_valid(with_mesh(changed({"clusters.0.kubeconfig": kubeconfig})))


def test_mesh_file_cannot_hold_secrets() -> None:
    for secret in ("plain text", {"secure": "v1:abc"}):
        assert not MESH.is_valid(changed({"clusters.0.kubeconfig": {"secret": secret}}))


@pytest.mark.parametrize(
    ("document", "admitted"),
    [
        (with_mesh(GOOD, **{"aws:region": "eu-west-1", "pulumi:disable-default-providers": ["kubernetes"]}), True),
        ({"config": {"spanmesh:meshFile": "a.yaml", "spanmesh:group": "cn"}, "encryptionsalt": "v1:x"}, True),
        (with_mesh(GOOD, **{"spanmesh:gruop": "cn"}), False),
        (with_mesh(GOOD, **{"spanmesh:meshFile": "a.yaml"}), False),
        ({"config": {"spanmesh:sample": {"image": "a"}}}, False),
        (with_mesh(GOOD, **{"spanmesh:sample": {"imgae": "a"}}), False),
        ({}, False),
    ],
)
def test_rest_of_the_stack_file(document: dict[str, Any], admitted: bool) -> None:
    assert STACK.is_valid(document) is admitted


def test_every_key_has_a_title_and_a_meaning() -> None:
    definitions = {"config": stack_schema()["properties"]["config"], **stack_schema()["definitions"]}
    definitions["Mesh"] = definitions["config"]["properties"]["spanmesh:mesh"]
    for name, schema in definitions.items():
        assert schema["description"], name
        for key, found in schema["properties"].items():
            assert found["title"] == key
            assert len(found["description"]) > 8, (name, key)
