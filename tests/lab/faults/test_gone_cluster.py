"""A cluster that is gone for good: forgotten by name, let go of by the others; and one that comes back after all."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client

from live.client import api_client
from live.load.constant import LoadResult, constant_requests
from live.remote_access.clusters import istiods
from live.remote_access.tokens import reader_tokens
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored
from tests.lab.spanmesh import spanmesh
from tests.lab.stacks import LabStack

pytestmark = pytest.mark.lab


@dataclass
class Gone:
    """cluster2 without an API server, and its entry out of the stack file.

    Attributes:
        said: what the update said that was tried then.
    """

    said: str
    _outage: ExitStack

    def come_back(self) -> None:
        """End it, entry and all; nothing where it has ended."""
        self._outage.close()


def declared(stack: LabStack, clusters: list[Any]) -> None:
    """Declare these clusters and no others."""
    stack.mesh["clusters"][:] = clusters
    stack.write()


@pytest.fixture(scope="module")
def gone(mirrored: Mirrored) -> Iterator[Gone]:
    stack = mirrored.stack
    clusters = list(stack.mesh["clusters"])
    with ExitStack() as outage:
        outage.callback(declared, stack, clusters)
        declared(stack, clusters[:1])
        outage.enter_context(mirrored.lab.faults.api_server_stopped("cluster2"))
        refused = stack.attempt("up", "--yes", "--skip-preview")
        assert refused.returncode != 0
        yield Gone(refused.stdout, outage)


def of_cluster1(mesh: LabStack) -> dict[str, Any]:
    """How often each of its Deployments was changed, and its CA."""
    with api_client(mesh.accesses["cluster1"]) as api:
        deployments = client.AppsV1Api(api).list_deployment_for_all_namespaces().items
        cacerts = client.CoreV1Api(api).read_namespaced_secret("cacerts", "istio-system")
    found = {each.metadata.name: each.metadata.generation for each in deployments}
    return {**found, "cacerts": (cacerts.metadata.uid, cacerts.data)}


def previewed_under_load(mesh: LabStack) -> LoadResult:
    """What cluster1's client got during a preview that had nothing to show."""
    with constant_requests(mesh.accesses["cluster1"], NAMESPACE, 300) as load:
        ended = mesh.attempt("preview", "--expect-no-changes")
    assert ended.returncode == 0, ended.stdout
    return load.result()


def test_one_that_answers_is_not_forgotten(mesh: LabStack) -> None:
    clusters = list(mesh.mesh["clusters"])
    declared(mesh, clusters[:1])
    refused = spanmesh(mesh, "forget", "cluster2", "--yes")
    declared(mesh, clusters)
    assert refused.returncode == 1
    assert "cluster cluster2 is not gone: its API server answers" in refused.stderr


def test_an_update_that_cannot_delete_in_it_refuses_and_says_how_to_forget_it(mesh: LabStack, gone: Gone) -> None:
    assert "cluster cluster2: it is declared no more" in gone.said
    assert "`spanmesh forget cluster2 --stack test`" in gone.said
    assert [token.reader for token in reader_tokens(mesh.accesses["cluster1"])] == ["cluster2"]


def test_forgotten_the_others_let_go_of_it_and_nothing_else_changes(mesh: LabStack, gone: Gone) -> None:
    before = of_cluster1(mesh)
    ended = spanmesh(mesh, "forget", "cluster2", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "cluster cluster2: no API server answers" in ended.stderr
    mesh.up()
    assert of_cluster1(mesh) == before
    access = mesh.accesses["cluster1"]
    assert reader_tokens(access) == []
    assert [dict(istiod.remotes) for istiod in istiods(access)] == [{}]
    load = previewed_under_load(mesh)
    assert (load.failures, set(load.answers)) == ([], {"cluster1"})


def test_destroy_asks_a_forgotten_cluster_for_nothing(mesh: LabStack, gone: Gone) -> None:
    shown = mesh.attempt("destroy", "--preview-only")
    assert shown.returncode == 0, shown.stdout
    assert "mesh-cluster1-control-plane-istiod" in shown.stdout
    assert "cluster2" not in shown.stdout


def test_one_that_comes_back_is_taken_up_again(mesh: LabStack, gone: Gone) -> None:
    gone.come_back()
    ended = spanmesh(mesh, "rescue", "--yes")
    assert ended.returncode == 0, ended.stderr
    mesh.up()
    load = previewed_under_load(mesh)
    assert (load.failures, set(load.answers)) == ([], {"cluster1", "cluster2"})
