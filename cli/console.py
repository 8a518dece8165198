"""Where the command writes: results to standard output, everything else to standard error."""

import sys
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

PIPED_WIDTH = 200

# Where nobody looks at a screen, nothing is cut off to fit one.
out = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)


def fail(message: str) -> NoReturn:
    """Print an error and end with exit code 1."""
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(1)


def step(message: str) -> None:
    """Print one line of progress."""
    err.print(f"[bold]==>[/] {escape(message)}", soft_wrap=True)
