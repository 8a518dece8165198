"""When the demo's matrix of answers proves the mesh, and when it does not."""

from collections import Counter

import pytest

from cli.demo import silent_cells
from live.load.traffic import Cell, Row
from topology import Mesh, load_mesh

NAMES = ("cluster1", "cluster2")


def declared(links: object = "full") -> Mesh:
    clusters = [
        {"name": name, "network": f"network{n}", "apiServer": f"https://203.0.113.{n}:6443"}
        for n, name in enumerate(NAMES, start=1)
    ]
    return load_mesh({"clusters": clusters, "links": links})


def rows(*answers: tuple[str, str]) -> dict[str, Row]:
    found = {name: Row(name) for name in NAMES}
    for client, server in answers:
        found[client].cells[server] = Cell(Counter({"v1": 5}))
    return found


ALL = [(a, b) for a in NAMES for b in NAMES]


def test_a_full_matrix_is_proof() -> None:
    assert silent_cells(declared(), rows(*ALL)) == []


@pytest.mark.parametrize("missing", ALL)
def test_any_empty_cell_is_no_proof(missing: tuple[str, str]) -> None:
    kept = [pair for pair in ALL if pair != missing]
    assert silent_cells(declared(), rows(*kept)) == [f"{missing[0]} got no answer from {missing[1]}"]


def test_a_cluster_that_reads_no_other_need_not_be_answered_by_it() -> None:
    one_way = declared([{"reader": "cluster2", "peers": ["cluster1"]}])
    answers = [("cluster1", "cluster1"), ("cluster2", "cluster2"), ("cluster2", "cluster1")]
    assert silent_cells(one_way, rows(*answers)) == []


def test_a_failed_request_is_no_proof() -> None:
    found = rows(*ALL)
    found["cluster2"].failures["wget: server returned error: HTTP/1.1 503"] += 2
    assert silent_cells(declared(), found) == ["cluster2: 2 requests failed"]
