"""`spanmesh reference`: write what docs/ says of the configuration anew, from the models."""

import json
from pathlib import Path

from cli.console import step
from cli.project import ROOT
from topology.reference import with_tables
from topology.schema import mesh_schema, stack_schema

PAGE = ROOT / "docs" / "configuration.md"
STACK_SCHEMA, MESH_SCHEMA = ROOT / "docs" / "stack.schema.json", ROOT / "docs" / "mesh.schema.json"


def reference() -> None:
    """Write docs/configuration.md and the JSON Schemas anew from topology/ (for who changes the models)."""
    for path, text in reference_files().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            step(f"wrote {path.relative_to(ROOT)}")


def reference_files() -> dict[Path, str]:
    """Each file that is written from the models, and what has to stand in it."""
    schemas = {STACK_SCHEMA: stack_schema(), MESH_SCHEMA: mesh_schema()}
    return {
        PAGE: with_tables(PAGE.read_text()),
        **{path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()},
    }
