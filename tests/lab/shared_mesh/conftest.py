"""The mesh whose policy the tests of this folder change."""

from collections.abc import Iterator

import pytest

from lab import Lab
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack


@pytest.fixture(scope="package")
def mirrored(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    """Two clusters on different networks with the sample, and no policy; destroyed after the folder's last test."""
    stack = LabStack.make(tmp_path_factory.mktemp("policy"), environment)
    try:
        stack.up()
        yield Mirrored(stack, lab)
    finally:
        stack.destroy()


@pytest.fixture(scope="package")
def mesh(mirrored: Mirrored) -> LabStack:
    """The stack of the same mesh."""
    return mirrored.stack
