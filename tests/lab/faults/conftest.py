"""One mesh for the tests of this folder: each breaks something of it, and leaves it mended."""

from collections.abc import Iterator

import pytest

from lab import Lab
from tests.lab.nothing_left import nothing_left
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack


@pytest.fixture(scope="package")
def mirrored(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    """Two clusters on different networks with the sample, as in the lab's stack file; destroyed after the last test."""
    stack = LabStack.make(tmp_path_factory.mktemp("faults"), environment)
    with nothing_left(stack):
        stack.up()
        yield Mirrored(stack, lab)


@pytest.fixture(scope="package")
def mesh(mirrored: Mirrored) -> LabStack:
    """The stack of the same mesh."""
    return mirrored.stack
