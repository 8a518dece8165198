"""Locality failover from cn-north-4 to cn-east-3: local while it can be, away when the backends die, and back."""

from typing import Any

import pytest

from bench.outage import Outage, outage
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import Mirrored

pytestmark = pytest.mark.lab


def declare(mirrored: Mirrored, **failover: Any) -> None:
    """The helper with the article's values, up and obeyed: every client's own region answers alone."""
    between = [{"from": "cn-north-4", "to": "cn-east-3"}]
    values = {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "1m"}
    article = {"service": "helloworld.sample", "failover": between, "outlierDetection": values}
    helper = {"localityFailover": {**article, **failover}}
    mirrored.declare(helpers=[helper])
    mirrored.stack.up()
    assert eventually(lambda: all(set(result.answers) == {name} for name, result in mirrored.ask(50).items()))


def outage_of_cluster1(mirrored: Mirrored) -> Outage:
    """An outage; its figures are shown with -rP, and fail no test."""
    found = outage(mirrored.lab.name, mirrored.accesses, "cluster1")
    print(  # noqa: T201
        f"first remote answer after {found.first_remote:.2f} s, {len(found.failures)} failed requests, "
        f"first local answer {found.first_local:.2f} s after a backend was ready again"
    )
    return found


def test_requests_stay_in_their_region_while_it_has_backends(mirrored: Mirrored) -> None:
    declare(mirrored)
    for name, result in mirrored.ask(500).items():
        assert result.failures == []
        assert result.answers == {name: 500}


def test_with_the_retries_of_the_helper_no_request_fails_when_the_backends_die(
    mirrored: Mirrored,
) -> None:
    declare(mirrored)
    found = outage_of_cluster1(mirrored)
    assert [result.failures for result in found.results.values()] == [[], []]
    assert found.places == ["cluster1", "cluster2", "cluster1"]
    assert set(found.results["cluster2"].answers) == {"cluster2"}


def test_without_retries_requests_fail_only_until_the_dead_backends_are_found_out(
    mirrored: Mirrored,
) -> None:
    declare(mirrored, retries={"attempts": 0})
    found = outage_of_cluster1(mirrored)
    each = found.results["cluster1"].each
    first_remote = next(index for index, answer in enumerate(each) if answer.cluster == "cluster2")
    assert all(answer.status == 200 for answer in each[first_remote:])
    # One failure in a row ejects an endpoint, and this load sends one request after the other.
    assert len(found.failures) <= 2
    assert found.places == ["cluster1", "cluster2", "cluster1"]
    assert found.results["cluster2"].failures == []
    assert set(found.results["cluster2"].answers) == {"cluster2"}
