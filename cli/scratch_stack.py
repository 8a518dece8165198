"""A stack of its own for as long as a block lasts, in which things can be tried without touching the user's."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from cli.pulumi import PulumiStack
from cli.stack_files import own_name


@contextmanager
def scratch_stack(project: Path, stack: str) -> Iterator[PulumiStack]:
    """An empty stack of the same name in a project of the same name, without a program; both are gone afterwards.

    Its state lies in a folder, with a passphrase that nobody keeps.

    Args:
        project: folder of the user's Pulumi.yaml.
        stack: name of the user's stack.

    Raises:
        PulumiError: Pulumi does not make it.
    """
    name = yaml.safe_load((project / "Pulumi.yaml").read_text())["name"]
    with tempfile.TemporaryDirectory(prefix="spanmesh-") as folder:
        (Path(folder) / "Pulumi.yaml").write_text(yaml.safe_dump({"name": name, "runtime": "python"}))
        state = Path(folder) / "state"
        state.mkdir()
        own = {
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
            "PULUMI_HOME": os.environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi"),
        }
        made = PulumiStack(Path(folder), own_name(stack), own)
        made.feed("", "stack", "init", "--no-select")
        yield made
