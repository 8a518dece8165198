"""Clusters with several istiods: what changes, what Istio does not support, and what may not be taken out."""

from typing import Any

import pytest

from topology import Mesh, load_mesh
from topology.upgrade import (
    Installed,
    Proxies,
    Surveyed,
    changing,
    leaving,
    plan,
    refused,
    still_used,
    unknown_labels,
)

OWN = {"cluster1": {"istio-base", "istiod", "istiod-new"}}
NEW = {"name": "new", "version": "1.31.2"}
OLD = {"name": "default", "version": "1.29.4"}
GATEWAY = "istio-eastwestgateway"


def mesh_of(**istio: Any) -> Mesh:
    cluster = {"name": "cluster1", "network": "network1", "apiServer": "https://203.0.113.1:6443"}
    skew = istio.pop("allowVersionSkew", False)
    return load_mesh({"istio": istio, "clusters": [cluster], "allowVersionSkew": skew})


def of(**more: Any) -> dict[str, Installed]:
    """1.29.4 without a revision and 1.31.2 beside it, the gateways with the old one."""
    base: dict[str, Any] = {"istiod": "1.29.4", "gateways": {GATEWAY: "1.29.4"}, "named": {"new": "1.31.2"}}
    return {"cluster1": Installed(**{**base, **more})}


BESIDE = mesh_of(version="1.29.4", revisions=[NEW])
SWAPPED = mesh_of(version="1.31.2", revision="new", revisions=[OLD])
ALONE = mesh_of(version="1.31.2", revision="new")


@pytest.mark.parametrize(
    ("mesh", "installed", "changes"),
    [
        (BESIDE, of(), False),
        (BESIDE, of(named={}), True),
        (BESIDE, of(named={"new": "1.31.1"}), True),
        (SWAPPED, of(), True),
        (SWAPPED, of(gateways={GATEWAY: "1.31.2"}), True),
        (SWAPPED, of(gateways={GATEWAY: "1.31.2"}, injected_by={GATEWAY: "new"}), False),
        (ALONE, of(gateways={GATEWAY: "1.31.2"}, injected_by={GATEWAY: "new"}), False),
        (BESIDE, of(istiod="", named={}, gateways={}), False),
    ],
    ids=["as is", "new", "in place", "swap", "same version", "swapped", "one goes", "first installation"],
)
def test_a_cluster_changes_where_an_istiod_is_new_or_gateways_go_over(
    mesh: Mesh, installed: dict[str, Installed], changes: bool
) -> None:
    assert changing(mesh, installed) == (["cluster1"] if changes else [])


@pytest.mark.parametrize(
    ("mesh", "installed", "says"),
    [
        (BESIDE, of(named={}), ""),
        (SWAPPED, of(), ""),
        (mesh_of(version="1.31.2", revision="new"), of(istiod="1.28.1", named={}), "across 2 minor versions"),
        (mesh_of(version="1.30.5", revisions=[NEW]), of(istiod="1.28.1"), "in place by 1 minor version"),
        (mesh_of(version="1.30.5", revisions=[{**NEW, "version": "1.30.1"}]), of(istiod="1.30.5"), "revision new"),
        (
            mesh_of(version="1.31.2", revision="new", allowVersionSkew=True),
            of(istiod="1.22.3", named={}),
            "",
        ),
    ],
    ids=["two beside", "swap", "three beside", "two in place", "named one down", "told"],
)
def test_beside_two_minor_versions_are_allowed_and_in_place_one(
    mesh: Mesh, installed: dict[str, Installed], says: str
) -> None:
    problems = refused(mesh, installed)
    assert [says in each.cause for each in problems] == ([True] if says else [])


def test_proxies_of_another_revision_do_not_stand_in_the_way_of_one_in_place() -> None:
    old = Proxies({"1.29.4": 3}, {"1.29.4": frozenset({"shop"})})
    new = Proxies({"1.30.1": 1}, {"1.30.1": frozenset({"bank"})})
    both = Proxies({**old.versions, **new.versions}, {**old.namespaces, **new.namespaces}, {"default": old, "new": new})
    installed = of(named={"new": "1.30.1"}, proxies=both)
    assert refused(mesh_of(version="1.29.4", revisions=[NEW]), installed) == []


PROXIES = Proxies({"1.29.4": 3}, {"1.29.4": frozenset({"shop", "bank"})})


def test_a_revision_with_running_proxies_is_not_taken_out() -> None:
    installed = of(proxies=Proxies(PROXIES.versions, PROXIES.namespaces, {"default": PROXIES}))
    (problem,) = still_used(ALONE, installed, OWN)
    assert problem.key == "spanmesh:mesh.clusters[0].istio.revisions"
    assert "cluster cluster1: revision default" in problem.cause
    assert "3 running proxies are of it, in bank, shop" in problem.cause
    assert "spanmesh revision move bank shop --to new --cluster cluster1" in problem.cure
    assert still_used(SWAPPED, installed, OWN) == []


def test_a_revision_or_tag_that_a_namespace_asks_for_is_not_taken_out() -> None:
    installed = of(proxies=Proxies(), asked={"shop": "new", "bank": "canary"}, tags={"canary": "new", "old": "new"})
    revision, tag = still_used(mesh_of(version="1.29.4"), installed, OWN)
    assert "revision new" in revision.cause and "istio.io/rev of shop names it" in revision.cause
    assert "tag canary" in tag.cause and "bank" in tag.cause and tag.key.endswith(".istio.tags")
    # A revision that takes the name of a tag takes its namespaces too.
    taken = mesh_of(version="1.29.4", revisions=[NEW, {"name": "canary", "version": "1.31.2"}])
    assert still_used(taken, installed, OWN) == []


def test_an_istiod_that_the_stack_has_not_made_is_left_alone() -> None:
    installed = of(named={"theirs": "1.20.1"}, proxies=PROXIES, asked={"shop": "theirs"})
    assert leaving(mesh_of(version="1.29.4"), installed, OWN) == {}
    assert still_used(mesh_of(version="1.29.4"), installed, OWN) == []
    assert unknown_labels(mesh_of(version="1.29.4"), installed) == []


def test_what_goes_is_told_by_cluster() -> None:
    assert leaving(ALONE, of(), OWN) == {"cluster1": ["default"]}
    assert leaving(mesh_of(version="1.29.4"), of(), OWN) == {"cluster1": ["new"]}
    assert leaving(BESIDE, of(), OWN) == {}


def test_a_label_that_leads_nowhere_is_told() -> None:
    installed = of(asked={"shop": "mew", "bank": "new", "cafe": "default", "desk": "by-hand"})
    installed = {"cluster1": Installed(**{**installed["cluster1"].__dict__, "foreign_tags": frozenset({"by-hand"})})}
    (problem,) = unknown_labels(BESIDE, installed)
    assert "namespace shop is labelled istio.io/rev=mew" in problem.cause


def test_the_plan_names_every_istiod_and_what_becomes_of_it() -> None:
    pods = {"istiod": 1, "istiod-new": 1, GATEWAY: 2}
    (beside,) = plan(BESIDE, {"cluster1": Surveyed(of(named={})["cluster1"], pods)})
    assert list(map(str, beside.revisions)) == ["default 1.29.4", "new 1.31.2 (new)"]
    assert (beside.changes, beside.restarts) == (True, ())
    (swapped,) = plan(SWAPPED, {"cluster1": Surveyed(of()["cluster1"], pods)})
    assert (swapped.present, swapped.declared) == ("1.31.2", "1.31.2")
    assert swapped.restarts == ((GATEWAY, 2),)
    (alone,) = plan(ALONE, {"cluster1": Surveyed(of()["cluster1"], pods)})
    assert list(map(str, alone.revisions)) == ["new 1.31.2", "default 1.29.4 (removed)"]
    (plain,) = plan(mesh_of(version="1.30.1"), {"cluster1": Surveyed(of(named={})["cluster1"], pods)})
    assert plain.revisions == ()
    assert plain.restarts == (("istiod", 1), (GATEWAY, 2))
