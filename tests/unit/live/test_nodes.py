"""Clusters on one network need pod addresses of their own."""

from ipaddress import ip_network

import pytest

from live.nodes import NodeFacts, overlap


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (["10.244.0.0/24", "10.244.1.0/24"], ["10.244.1.0/24"], "10.244.1.0/24"),
        (["10.244.0.0/16"], ["10.244.7.0/24"], "10.244.0.0/16"),
        (["10.244.0.0/24"], ["10.245.0.0/24"], None),
        (["10.244.0.0/24"], ["fd00::/64"], None),
        (["10.244.0.0/24", "fd00::/64"], ["fd00::/80"], "fd00::/64"),
        ([], ["10.244.0.0/24"], None),
    ],
)
def test_ranges_that_share_addresses_are_found(one: list[str], other: list[str], shared: str | None) -> None:
    found = [NodeFacts(frozenset(ip_network(text) for text in texts)) for texts in (one, other)]
    assert overlap(found[0], found[1]) == shared
