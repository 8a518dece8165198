"""One mesh for the tests of this folder, which change it and leave it as it was, but for its policy."""

import base64
from collections.abc import Iterator

import pytest
import yaml

from lab import Lab
from tests.lab.nothing_left import nothing_left
from tests.lab.shared_mesh.mirrored import Mirrored
from tests.lab.stacks import LabStack


@pytest.fixture(scope="package")
def mirrored(lab: Lab, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    """Two clusters on different networks with the sample, and no policy; destroyed after the folder's last test.

    cluster1 has an ingress gateway; cluster2 two east-west gateway pods, and its API server is met under another
    name and by a CA that is given.
    """
    stack = LabStack.make(tmp_path_factory.mktemp("mesh"), environment)
    first, second = stack.mesh["clusters"]
    first["ingress"] = {"replicas": 1, "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
    second["eastWest"] = {"replicas": 2}
    second["apiServer"] = {
        "url": second["apiServer"],
        "tlsServerName": "kubernetes.default.svc",
        "caCertificate": {"env": "SPANMESH_TEST_CA"},
    }
    kubeconfig = yaml.safe_load(lab.kubeconfig("cluster2").read_text())
    authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
    stack.environment["SPANMESH_TEST_CA"] = base64.b64decode(authority).decode()
    stack.write()
    with nothing_left(stack):
        stack.up()
        yield Mirrored(stack, lab)


@pytest.fixture(scope="package")
def mesh(mirrored: Mirrored) -> LabStack:
    """The stack of the same mesh."""
    return mirrored.stack
