"""The paths that the user named for tools by `spanmesh tools install --path`, kept for later runs."""

import json
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolError


class Choices:
    """A JSON file, tool id -> path."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def read(self) -> dict[str, Path]:
        """What was named so far."""
        try:
            return {name: Path(path) for name, path in json.loads(self._record.read_text()).items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as cause:
            raise ToolError(f"{self._record} cannot be read ({cause}); remove it and name the paths again") from cause

    def update(self, named: Mapping[str, Path | None]) -> None:
        """Keep ``named``; None takes a tool's path back."""
        paths = self.read() | dict(named)
        kept = {name: str(path) for name, path in paths.items() if path is not None}
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._record.write_text(json.dumps(kept, indent=2) + "\n")
