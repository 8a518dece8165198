"""The order of an upgrade, and what Istio does not support."""

from typing import Any

import pytest

from topology import Mesh, load_mesh
from topology.checks import doubts
from topology.upgrade import Installed, Outdated, Proxies, Surveyed, changing, plan, predecessors, refused, with_version


def mesh_of(*versions: str, **of_mesh: Any) -> Mesh:
    """A cluster for each version, cluster1 first."""
    clusters = [
        {
            "name": f"cluster{n}",
            "network": f"network{n}",
            "apiServer": f"https://203.0.113.{n}:6443",
            "istio": {"version": version},
            "eastWest": {"sourceRanges": ["203.0.113.0/24"]},
        }
        for n, version in enumerate(versions, start=1)
    ]
    return load_mesh({"clusters": clusters, **of_mesh})


def of(*versions: str) -> dict[str, Installed]:
    """What is installed: an istiod and an east-west gateway of each version."""
    return {
        f"cluster{n}": Installed(version, {"istio-eastwestgateway": version})
        for n, version in enumerate(versions, start=1)
    }


def test_clusters_change_in_the_meshs_order_and_each_waits_for_the_one_before() -> None:
    mesh = mesh_of("1.30.5", "1.30.5", "1.30.5", "1.30.5")
    names = changing(mesh, of("1.29.2", "1.30.5", "1.29.2", "1.29.2"))
    assert names == ["cluster1", "cluster3", "cluster4"]
    assert predecessors(names, 1) == {"cluster3": "cluster1", "cluster4": "cluster3"}
    assert predecessors(names, 2) == {"cluster4": "cluster1"}
    assert predecessors(names, 9) == {}


def test_a_first_installation_waits_for_nobody() -> None:
    assert changing(mesh_of("1.30.5", "1.30.5"), {"cluster1": Installed(), "cluster2": Installed()}) == []


def test_a_cluster_whose_gateways_were_left_behind_is_not_done() -> None:
    installed = of("1.30.5", "1.29.2")
    installed["cluster1"] = Installed("1.30.5", {"istio-eastwestgateway": "1.29.2"})
    assert changing(mesh_of("1.30.5", "1.30.5"), installed) == ["cluster1", "cluster2"]


@pytest.mark.parametrize(
    ("present", "declared", "says"),
    [
        ("1.28.3", "1.30.5", "by 1 minor version"),
        ("1.22.3", "1.32-dev", "by 1 minor version"),
        ("1.30.5", "1.29.2", "newer than their istiod"),
        ("1.30.5", "2.0.0", "by 1 minor version"),
    ],
)
def test_a_change_that_istio_does_not_support_is_refused_unless_told(present: str, declared: str, says: str) -> None:
    (problem,) = refused(mesh_of(declared), of(present))
    assert problem.key == "spanmesh:mesh.clusters[0].istio.version"
    assert says in problem.cause and "cluster1" in problem.cause
    assert "allowVersionSkew: true" in problem.cure
    assert refused(mesh_of(declared, allowVersionSkew=True), of(present)) == []


@pytest.mark.parametrize(
    ("present", "declared"),
    [("1.29.2", "1.30.5"), ("1.30.5", "1.30.4"), ("1.30.4", "1.30.5"), ("latest", "1.30.5"), ("", "1.30.5")],
)
def test_one_minor_version_and_any_patch_is_allowed(present: str, declared: str) -> None:
    assert refused(mesh_of(declared), of(present)) == []


def test_proxies_that_the_new_istiod_would_not_support_stand_in_the_way() -> None:
    proxies = Proxies({"1.28.3": 4, "1.29.2": 9}, {"1.28.3": frozenset({"shop", "bank"})})
    (problem,) = refused(mesh_of("1.30.5"), {"cluster1": Installed("1.29.2", {}, proxies)})
    assert "4 of 1.28.3 in bank, shop" in problem.cause
    assert "1.29.2" not in problem.cause
    assert "spanmesh upgrade --workloads --cluster cluster1" in problem.cure


def test_known_bad_versions_are_named_with_their_issue() -> None:
    (problem,) = doubts(mesh_of("1.30.2"))
    assert "istio#61043" in problem.cause and "istio#60612" in problem.cause and "1.30.4" in problem.cure
    (fixed_in_part,) = doubts(mesh_of("1.30.3"))
    assert "istio#61043" in fixed_in_part.cause and "istio#60612" not in fixed_in_part.cause
    assert doubts(mesh_of("1.30.4")) == [] == doubts(mesh_of("1.29.2"))


def test_the_plan_says_what_restarts_in_which_order() -> None:
    pods = {"istiod": 1, "istio-eastwestgateway": 2}
    shop = Outdated("shop", "Deployment", "cart", 3, ("1.29.2",))
    installed = of("1.29.2", "1.29.2")
    first, second = plan(
        mesh_of("1.30.5", "1.30.5"),
        {name: Surveyed(each, pods, 14, (shop,)) for name, each in installed.items()},
    )
    assert (first.after, second.after) == ("", "cluster1")
    assert first.restarts == (("istiod", 1), ("istio-eastwestgateway", 2))
    assert (first.present, first.declared, first.crds, first.workloads) == ("1.29.2", "1.30.5", 14, (shop,))


def test_a_version_for_some_clusters_leaves_the_others_and_one_for_all_is_the_only_one() -> None:
    mesh = mesh_of("1.29.2", "1.29.2", istio={"version": "1.29.1"})
    some = with_version(mesh, "1.30.5", ["cluster2"])
    assert [c.istio.version for c in some.clusters] == ["1.29.2", "1.30.5"]
    every = with_version(mesh, "1.30.5", [])
    assert (every.istio.version, [c.istio.version for c in every.clusters]) == ("1.30.5", [None, None])
