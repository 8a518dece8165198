"""What a declared mesh is refused for, and what follows from a good one."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from topology import MeshConfigError, links, load_mesh, load_sample
from topology.checks import doubts
from topology.defaults import east_west_of, istio_of

CASES = yaml.safe_load(Path(__file__).with_name("bad_input.yaml").read_text())
GOOD: dict[str, Any] = {
    "clusters": [
        {
            "name": f"cluster{n}",
            "region": region,
            "network": f"network{n}",
            "apiServer": f"https://203.0.113.1{n}:6443",
        }
        for n, region in ((1, "cn-north-4"), (2, "cn-east-3"))
    ]
}


def changed(edits: dict[str, Any]) -> dict[str, Any]:
    mesh = copy.deepcopy(GOOD)
    for path, value in edits.items():
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        at: Any = mesh
        for step in parents:
            at = at[step] if isinstance(step, int) else at.setdefault(step, {})
        at[last] = value
    return mesh


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_bad_input_is_refused_with_key_and_cure(case: dict[str, Any]) -> None:
    with pytest.raises(MeshConfigError) as refused:
        load_mesh(changed(case["set"]))
    assert case["key"] in [problem.key for problem in refused.value.problems]
    for text in case["says"]:
        assert text in str(refused.value)


@pytest.mark.parametrize("nothing", [None, "", [], 3])
def test_a_missing_mesh_is_refused_by_its_key(nothing: object) -> None:
    with pytest.raises(MeshConfigError, match="spanmesh:mesh"):
        load_mesh(nothing)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(MeshConfigError) as refused:
        load_mesh(changed({"clusters.0.apiServer": "https://localhost", "clusters.1.name": "cluster1"}))
    assert [p.key for p in refused.value.problems] == [
        "spanmesh:mesh.clusters[1].name",
        "spanmesh:mesh.clusters[0].apiServer",
    ]


def test_full_links_are_every_ordered_pair() -> None:
    mesh = load_mesh(GOOD)
    assert [(link.reader.name, link.peer.name, link.crosses_networks) for link in links(mesh)] == [
        ("cluster1", "cluster2", True),
        ("cluster2", "cluster1", True),
    ]


def test_listed_links_are_one_way_and_a_shared_network_is_not_crossed() -> None:
    mesh = load_mesh(
        changed({"links": [{"reader": "cluster2", "peers": ["cluster1"]}], "clusters.1.network": "network1"})
    )
    assert [(link.reader.name, link.peer.name, link.crosses_networks) for link in links(mesh)] == [
        ("cluster2", "cluster1", False)
    ]


def test_a_clusters_istio_is_laid_over_the_meshs() -> None:
    mesh = load_mesh(
        changed(
            {
                "istio": {"version": "1.30.5", "values": {"pilot": {"env": {"A": "1", "B": "1"}}}},
                "clusters.1.istio": {"version": "1.29.4", "values": {"pilot": {"env": {"B": "2"}}}},
            }
        )
    )
    first, second = (istio_of(mesh, cluster) for cluster in mesh.clusters)
    assert (first.version, second.version) == ("1.30.5", "1.29.4")
    assert first.values == {"pilot": {"env": {"A": "1", "B": "1"}}}
    assert second.values == {"pilot": {"env": {"A": "1", "B": "2"}}}


def test_no_sample_is_declared_by_an_absent_or_empty_key() -> None:
    assert load_sample(None) is None
    assert load_sample({}) is None


def test_the_labs_stack_file_is_a_good_mesh() -> None:
    text = (Path(__file__).parents[3] / "stacks" / "Pulumi.lab.yaml").read_text()
    config = yaml.safe_load(text)["config"]
    mesh = load_mesh(config["spanmesh:mesh"])
    assert {c.network for c in mesh.clusters} == {"network1", "network2"}
    assert config["pulumi:disable-default-providers"] == ["kubernetes"]


def test_a_secret_is_never_shown_in_an_error() -> None:
    with pytest.raises(MeshConfigError) as refused:
        load_mesh(changed({"clusters.0.kubeconfig": {"secret": ["top-secret"]}}))
    assert "kubeconfig.secret" in str(refused.value)
    assert "top-secret" not in str(refused.value)
    with pytest.raises(MeshConfigError) as refused:
        load_mesh(changed({"clusters.0": [{"kubeconfig": {"secret": "top-secret"}}]}))
    assert "top-secret" not in str(refused.value)
    assert "top-secret" not in repr(load_mesh(changed({"clusters.0.kubeconfig": {"secret": "top-secret"}})))


def test_a_clusters_gateway_is_laid_over_the_meshs() -> None:
    mesh = load_mesh(
        changed(
            {
                "eastWest": {"replicas": 3, "annotations": {"a": "1", "b": "1"}, "sourceRanges": ["203.0.113.0/24"]},
                "clusters.1.eastWest": {"annotations": {"b": "2"}, "sourceRanges": ["198.51.100.0/24"]},
            }
        )
    )
    first, second = (east_west_of(mesh, cluster) for cluster in mesh.clusters)
    assert (first.replicas, first.annotations, first.source_ranges) == (
        3,
        {"a": "1", "b": "1"},
        ["203.0.113.0/24"],
    )
    assert (second.replicas, second.annotations, second.source_ranges) == (
        3,
        {"a": "1", "b": "2"},
        ["198.51.100.0/24"],
    )


def test_an_upgrade_may_leave_versions_further_apart() -> None:
    mesh = load_mesh(changed({"allowVersionSkew": True, "clusters.1.istio": {"version": "1.22.3"}}))
    assert [istio_of(mesh, c).version for c in mesh.clusters] == ["1.30.5", "1.22.3"]


def doubted(edits: dict[str, Any]) -> list[str]:
    return [problem.key for problem in doubts(load_mesh(changed(edits)))]


def test_a_gateway_open_to_everyone_and_a_network_over_two_regions_are_doubted() -> None:
    restricted = {"eastWest": {"sourceRanges": ["203.0.113.0/24"]}}
    assert doubted({}) == [f"spanmesh:mesh.clusters[{n}].eastWest.sourceRanges" for n in (0, 1)]
    assert doubted(restricted) == []
    assert doubted({"clusters.1.network": "network1"}) == ["spanmesh:mesh.clusters[1].network"]
