"""Options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")]
TextOutput = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="How to print the result.")]
AskedStack = Annotated[
    str | None, typer.Option("--stack", "-s", help="Stack whose clusters are asked; default: the selected one.")
]
Cwd = Annotated[Path, typer.Option("--cwd", "-C", help="Folder of Pulumi.yaml.")]
