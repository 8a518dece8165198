"""Istiods of one cluster by their revisions."""

from typing import Any

import pytest

from topology import Mesh, load_mesh
from topology.checks import doubts
from topology.defaults import istio_of
from topology.model import Istio
from topology.revisions import (
    Revision,
    base_version,
    by_revisions,
    declared_revisions,
    default_revision,
    injecting,
    istiods,
    with_default,
    with_revision,
    without_revision,
)

CANARY: dict[str, Any] = {
    "version": "1.29.4",
    "revisions": [{"name": "1-31-2", "version": "1.31.2"}],
    "tags": {"prod": "default", "canary": "1-31-2"},
}


def mesh_of(istio: dict[str, Any], *of_clusters: dict[str, Any]) -> Mesh:
    clusters = [
        {"name": f"cluster{n}", "network": f"network{n}", "apiServer": f"https://203.0.113.{n}:6443", "istio": own}
        for n, own in enumerate(of_clusters or ({},), start=1)
    ]
    return load_mesh({"istio": istio, "clusters": clusters})


def one(istio: dict[str, Any]) -> Istio:
    mesh = mesh_of(istio)
    return istio_of(mesh, mesh.clusters[0])


def test_one_istiod_without_a_revision_is_what_there_is_where_nothing_is_said() -> None:
    istio = one({"version": "1.30.5"})
    assert [(each.name, each.version, each.istiod) for each in declared_revisions(istio)] == [
        ("default", "1.30.5", "istiod")
    ]
    assert not by_revisions(istio)
    assert not by_revisions(one({"version": "1.30.5", "revision": "default"}))


def test_each_revision_has_an_istiod_of_its_own_name_and_the_newest_has_the_crds() -> None:
    mesh = mesh_of(CANARY)
    assert istiods(mesh) == {"cluster1": ("istiod", "istiod-1-31-2")}
    istio = one(CANARY)
    assert by_revisions(istio)
    assert base_version(istio) == "1.31.2"
    assert base_version(one({"version": "1.30.10", "revisions": [{"name": "a", "version": "1.30.9"}]})) == "1.30.10"
    assert base_version(one({"version": "1.30.10", "revisions": [{"name": "a", "version": "latest"}]})) == "latest"


@pytest.mark.parametrize(
    ("named", "before", "after"),
    [
        ("default", "default", "1-31-2"),
        ("prod", "default", "default"),
        ("canary", "1-31-2", "1-31-2"),
        ("1-31-2", "1-31-2", "1-31-2"),
        ("gone", "default", "1-31-2"),
    ],
)
def test_a_label_leads_to_an_istiod_and_default_to_that_of_the_default_revision(
    named: str, before: str, after: str
) -> None:
    istio = one(CANARY)
    assert injecting(istio, named).name == before
    assert injecting(with_default(istio, "1-31-2"), named).name == after


def test_the_default_revision_is_swapped_and_swapped_back() -> None:
    istio = one(CANARY)
    swapped = with_default(istio, "1-31-2")
    assert (swapped.version, swapped.revision) == ("1.31.2", "1-31-2")
    assert [(each.name, each.version) for each in swapped.revisions or ()] == [("default", "1.29.4")]
    assert swapped.tags == istio.tags
    assert declared_revisions(with_default(swapped, "default")) == declared_revisions(istio)
    assert declared_revisions(with_default(istio, "default")) == declared_revisions(istio)


def test_an_istiod_comes_beside_and_goes_with_its_tags() -> None:
    istio = with_revision(one({"version": "1.29.4"}), Revision("1-31-2", "1.31.2"), "canary")
    assert [(each.name, each.version) for each in declared_revisions(istio)] == [
        ("default", "1.29.4"),
        ("1-31-2", "1.31.2"),
    ]
    assert istio.tags == {"canary": "1-31-2"}
    newer = with_revision(istio, Revision("1-31-2", "1.31.3"))
    assert [each.version for each in declared_revisions(newer)] == ["1.29.4", "1.31.3"]
    assert not by_revisions(without_revision(newer, "1-31-2"))


def test_a_cluster_has_its_own_revisions_and_the_meshs_tags_besides() -> None:
    own = {"version": "1.31.2", "revision": "1-31-2", "revisions": [{"name": "default", "version": "1.29.4"}]}
    mesh = mesh_of(CANARY, own, {"tags": {"test": "1-31-2"}})
    first, second = (istio_of(mesh, each) for each in mesh.clusters)
    assert default_revision(first).name == "1-31-2"
    assert default_revision(second).name == "default"
    assert second.tags == {**CANARY["tags"], "test": "1-31-2"}
    # Null is as good as absent, so one says `default` and an empty list to be without.
    plain = mesh_of({**own, "tags": {}}, {"version": "1.30.5", "revision": "default", "revisions": []})
    assert not by_revisions(istio_of(plain, plain.clusters[0]))


def test_a_known_bad_version_is_named_of_any_revision() -> None:
    (problem,) = doubts(mesh_of({"version": "1.29.4", "revisions": [{"name": "a", "version": "1.30.2"}]}))
    assert problem.key == "spanmesh:mesh.istio.revisions[0].version"
    assert "istio#61043" in problem.cause
