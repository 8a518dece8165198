"""`spanmesh reference`: write what docs/ says of the configuration and of the checks anew, from models and rules."""

import json
from pathlib import Path

from cli.console import step
from cli.project import ROOT
from health.checks import EVERY_CHECK
from health.reference import page as troubleshooting
from judges.hearing import RULES
from policy.reference import page
from topology.reference import with_tables
from topology.schema import mesh_schema, stack_schema

PAGE = ROOT / "docs" / "configuration.md"
CHECKS = ROOT / "docs" / "policy-checks.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
STACK_SCHEMA, MESH_SCHEMA = ROOT / "docs" / "stack.schema.json", ROOT / "docs" / "mesh.schema.json"


def reference() -> None:
    """Write docs/configuration.md, policy-checks.md, troubleshooting.md and the JSON Schemas anew."""
    for path, text in reference_files().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            step(f"wrote {path.relative_to(ROOT)}")


def reference_files() -> dict[Path, str]:
    """Each file that is written from models and rules, and what has to stand in it."""
    schemas = {STACK_SCHEMA: stack_schema(), MESH_SCHEMA: mesh_schema()}
    return {
        PAGE: with_tables(PAGE.read_text()),
        CHECKS: page(RULES),
        TROUBLESHOOTING: troubleshooting(EVERY_CHECK),
        **{path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()},
    }
