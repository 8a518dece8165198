"""A canary with locality failover on: the weights choose the version first, and a dead version does not fail over."""

import pytest

from tests.lab.kubectl import eventually
from tests.lab.policy.binomial import bounds
from tests.lab.policy.mirrored import Mirrored

pytestmark = pytest.mark.lab
REQUESTS = 1000
SERVICE = "helloworld.sample"


@pytest.fixture(scope="module")
def both(mirrored: Mirrored) -> Mirrored:
    """The mesh with 80 percent to v1, which runs in cluster1 alone, 20 to v2 in cluster2, and locality failover."""
    between = [{"from": "cn-north-4", "to": "cn-east-3"}]
    mirrored.declare(
        helpers=[
            {"canary": {"service": SERVICE, "versions": {"v1": 80, "v2": 20}}},
            {"localityFailover": {"service": SERVICE, "failover": between}},
        ]
    )
    warned = mirrored.stack.up()
    assert "SM306" in warned
    assert "80" in warned.split("SM306", 1)[1].split("\n", 1)[0]
    assert eventually(lambda: all({"v1", "v2"} == set(result.versions) for result in mirrored.ask(50).values()))
    return mirrored


def test_the_weights_take_requests_out_of_their_region_though_it_has_backends(both: Mirrored) -> None:
    fewest, most = bounds(REQUESTS, 0.2)
    for name, result in both.ask(REQUESTS).items():
        assert result.failures == []
        assert fewest <= result.answers["cluster2"] <= most, name
        assert result.answers == {"cluster1": result.versions["v1"], "cluster2": result.versions["v2"]}


def test_the_share_of_a_dead_version_fails_though_the_other_region_has_backends(both: Mirrored) -> None:
    fewest, most = bounds(REQUESTS, 0.8)
    try:
        both.crash_servers("cluster1")
        assert eventually(lambda: all("v1" not in result.versions for result in both.ask(50).values()))
        for name, result in both.ask(REQUESTS).items():
            assert fewest <= len(result.failures) <= most, name
            assert result.versions == {"v2": REQUESTS - len(result.failures)}
            assert {failure.split()[0] for failure in result.failures} == {"503"}
    finally:
        both.restore_servers("cluster1")
    assert eventually(lambda: all(not result.failures for result in both.ask(50).values()), 90)
