"""Who reads whom, across which networks, and whose gateway that needs."""

from typing import Any

import pytest

from topology import Mesh, clients_of_gateway, links, load_mesh, networks


def mesh(given_links: Any, unlinked: str = "") -> Mesh:
    """cluster1 on a network of its own, cluster2 and cluster3 on one network."""
    return load_mesh(
        {
            "links": given_links,
            "clusters": [
                {
                    "name": f"cluster{n}",
                    "network": network,
                    "linked": f"cluster{n}" != unlinked,
                    "apiServer": {"url": f"https://203.0.113.1{n}", "readers": readers},
                }
                for n, network, readers in (
                    (1, "network1", {}),
                    (2, "network2", {"cluster3": "https://10.0.0.2"}),
                    (3, "network2", {}),
                )
            ],
        }
    )


FULL = {(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b}


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ("full", FULL),
        ({"hubs": ["cluster1"]}, {(1, 2), (2, 1), (1, 3), (3, 1)}),
        ({"hubs": ["cluster1", "cluster2"]}, FULL),
        ([{"reader": "cluster3", "peers": ["cluster1"]}], {(3, 1)}),
    ],
)
def test_links_are_the_declared_pairs(given: Any, pairs: set[tuple[int, int]]) -> None:
    found = [(link.reader.name, link.peer.name) for link in links(mesh(given))]
    assert set(found) == {(f"cluster{a}", f"cluster{b}") for a, b in pairs}
    assert len(found) == len(pairs)


def test_only_links_between_networks_cross() -> None:
    crossing = {(k.reader.name, k.peer.name) for k in links(mesh("full")) if k.crosses_networks}
    assert {frozenset(pair) for pair in crossing} == {
        frozenset({"cluster1", "cluster2"}),
        frozenset({"cluster1", "cluster3"}),
    }


def test_a_gateway_is_needed_by_the_linked_clusters_of_other_networks() -> None:
    needed = {name: [c.name for c in clients] for name, clients in clients_of_gateway(mesh("full")).items()}
    assert needed == {"cluster1": ["cluster2", "cluster3"], "cluster2": ["cluster1"], "cluster3": ["cluster1"]}
    flat_only = [{"reader": "cluster2", "peers": ["cluster3"]}]
    assert not any(clients_of_gateway(mesh(flat_only)).values())


def test_a_reader_may_have_an_address_of_its_own_for_an_api_server() -> None:
    servers = {link.reader.name: link.server for link in links(mesh("full")) if link.peer.name == "cluster2"}
    assert servers == {"cluster1": "https://203.0.113.12", "cluster3": "https://10.0.0.2"}


def test_clusters_are_told_by_network_in_the_order_of_the_file() -> None:
    found = {network: [c.name for c in clusters] for network, clusters in networks(mesh("full")).items()}
    assert found == {"network1": ["cluster1"], "network2": ["cluster2", "cluster3"]}


def test_a_cluster_can_be_taken_out_of_all_links() -> None:
    for given in ("full", {"hubs": ["cluster1"]}, [{"reader": "cluster1", "peers": ["cluster2", "cluster3"]}]):
        left = [(link.reader.name, link.peer.name) for link in links(mesh(given, unlinked="cluster3"))]
        assert ("cluster1", "cluster2") in left
        assert not any("cluster3" in pair for pair in left)
