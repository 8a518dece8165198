"""Documents that Istio takes and refuses, and the CRDs of the two proven versions without their descriptions."""

from pathlib import Path
from typing import Any

import yaml

from policy.document import Document, parse
from policy.shape import Types

HERE = Path(__file__).parent
VERSIONS = ("1.22.3", "1.32-dev")


def types(version: str) -> Types:
    """The types of one Istio version and of the Gateway API's routes: of each kind its newest version."""
    return Types.of([(HERE / f"crds-{version}.yaml").read_text()])


def valid() -> list[Document]:
    """Documents of every kind that Istio takes."""
    return parse((HERE / "valid.yaml").read_text(), "valid.yaml")


def invalid() -> list[dict[str, Any]]:
    """Rows of documents that are refused: ``wrong``, ``code``, ``document``, and ``istio`` where that takes it."""
    rows: list[dict[str, Any]] = yaml.safe_load((HERE / "invalid.yaml").read_text())
    return rows


def written(row: dict[str, Any], name: str) -> Document:
    """The document of a row, in a file called ``name``."""
    [document] = parse(yaml.safe_dump(row["document"], sort_keys=False), name)
    return document
