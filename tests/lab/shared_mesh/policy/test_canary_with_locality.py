"""A canary with locality failover on: the weights choose the version first, and a dead version does not fail over."""

import re
from dataclasses import dataclass

import pytest

from bench.servers import end_servers, restore_servers
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored
from tests.lab.shared_mesh.policy.binomial import bounds

pytestmark = pytest.mark.lab
REQUESTS = 1000
SERVICE = "helloworld.sample"
WARNED = re.compile(
    r"(?P<version>v\d) \(\d+ in (?P<home>\w+)\) is in [\w-]+ only: (?P<leave>\d+) % of requests from (?P<far>\w+) "
    r"leave their region, and when it fails there, (?P<fail>\d+) % of all requests fail"
)


@dataclass(frozen=True)
class Warned:
    """What the warning says of one version: where it runs, and shares from 0 to 1."""

    home: str
    far: str
    leave: float
    fail: float


@dataclass(frozen=True)
class Both:
    """The mesh with 80 percent to v1, which runs in cluster1 alone, 20 to v2 in cluster2, and locality failover."""

    mirrored: Mirrored
    warned: dict[str, Warned]


@pytest.fixture(scope="module")
def both(mirrored: Mirrored) -> Both:
    between = [{"from": "cn-north-4", "to": "cn-east-3"}]
    mirrored.declare(
        helpers=[
            {"canary": {"service": SERVICE, "versions": {"v1": 80, "v2": 20}}},
            {"localityFailover": {"service": SERVICE, "failover": between}},
        ]
    )
    said = next(line for line in mirrored.stack.up().splitlines() if "SM306" in line)
    warned = {m["version"]: Warned(m["home"], m["far"], *_shares(m)) for m in WARNED.finditer(said)}
    assert set(warned) == {"v1", "v2"}, said
    assert eventually(lambda: all({"v1", "v2"} == set(result.versions) for result in mirrored.ask(50).values()))
    return Both(mirrored, warned)


def _shares(match: re.Match[str]) -> tuple[float, float]:
    return int(match["leave"]) / 100, int(match["fail"]) / 100


def test_the_share_that_the_warning_names_leaves_its_region_though_there_are_backends(both: Both) -> None:
    results = both.mirrored.ask(REQUESTS)
    for version, warned in both.warned.items():
        fewest, most = bounds(REQUESTS, warned.leave)
        result = results[warned.far]
        assert result.failures == []
        assert fewest <= result.versions[version] <= most
        assert result.answers[warned.home] == result.versions[version]


def test_the_share_that_the_warning_names_fails_with_its_region_though_the_other_has_backends(both: Both) -> None:
    mirrored, v1 = both.mirrored, both.warned["v1"]
    fewest, most = bounds(REQUESTS, v1.fail)
    try:
        end_servers(mirrored.lab.name, mirrored.accesses[v1.home], NAMESPACE)
        assert eventually(lambda: all("v1" not in result.versions for result in mirrored.ask(50).values()))
        for name, result in mirrored.ask(REQUESTS).items():
            assert fewest <= len(result.failures) <= most, name
            assert result.versions == {"v2": REQUESTS - len(result.failures)}
            assert {failure.split()[0] for failure in result.failures} == {"503"}
    finally:
        restore_servers(mirrored.accesses[v1.home], NAMESPACE)
    assert eventually(lambda: all(not result.failures for result in mirrored.ask(50).values()), 90)
