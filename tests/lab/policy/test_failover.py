"""Locality failover from cn-north-4 to cn-east-3: local while it can be, away when the backends die, and back."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from live.load import LoadResult
from tests.lab.kubectl import eventually
from tests.lab.policy.mirrored import Mirrored

pytestmark = pytest.mark.lab
SECONDS_DOWN = 5


@dataclass(frozen=True)
class Outage:
    """The requests of each cluster while the backends of cluster1 were away, and when that was."""

    results: dict[str, LoadResult]
    killed: float
    ready_again: float

    def story(self) -> dict[str, float]:
        """Figures of the requests from cluster1."""
        each = self.results["cluster1"].each
        remote = next(a.came for a in each if a.came > self.killed and a.cluster == "cluster2")
        local = next((a.came for a in each if a.came > remote and a.cluster == "cluster1"), float("nan"))
        return {
            "seconds until the first remote answer": round(remote - self.killed, 2),
            "failed requests": len(self.results["cluster1"].failures),
            "seconds from ready to the first local answer": round(local - self.ready_again, 2),
        }


def declare(mirrored: Mirrored, **failover: Any) -> None:
    """The helper with the article's values, up and obeyed: every client's own region answers alone."""
    between = [{"from": "cn-north-4", "to": "cn-east-3"}]
    helper = {"localityFailover": {"service": "helloworld.sample", "failover": between, **failover}}
    mirrored.declare(helpers=[helper])
    mirrored.stack.up()
    assert eventually(lambda: all(set(result.answers) == {name} for name, result in mirrored.ask(50).items()))


def outage(mirrored: Mirrored) -> Outage:
    """End cluster1's backends under load from both clusters, leave them away, and bring them back."""
    with ExitStack() as running:
        loads = mirrored.load(running)
        time.sleep(2)
        killed = time.time()
        try:
            mirrored.crash_servers("cluster1")
            time.sleep(SECONDS_DOWN)
        finally:
            mirrored.restore_servers("cluster1")
        ready_again = time.time()
        assert eventually(lambda: set(mirrored.ask(20)["cluster1"].answers) == {"cluster1"}, 90)
        time.sleep(2)
    return Outage({name: load.result() for name, load in loads.items()}, killed, ready_again)


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Iterator[Callable[[Outage], None]]:
    """Writes the figures of an outage into the report of the test."""

    def tell(found: Outage) -> None:
        for what, figure in found.story().items():
            record_property(what, figure)
        print(found.story())  # noqa: T201 - shown with -s, or where the test fails

    yield tell


def test_requests_stay_in_their_region_while_it_has_backends(mirrored: Mirrored) -> None:
    declare(mirrored)
    for name, result in mirrored.ask(500).items():
        assert result.failures == []
        assert result.answers == {name: 500}


def test_with_the_retries_of_the_helper_no_request_fails_when_the_backends_die(
    mirrored: Mirrored, told: Callable[[Outage], None]
) -> None:
    declare(mirrored)
    found = outage(mirrored)
    told(found)
    for result in found.results.values():
        assert result.failures == []
    assert went_away_and_came_back(found)


def test_without_retries_requests_fail_only_until_the_dead_backends_are_found_out(
    mirrored: Mirrored, told: Callable[[Outage], None]
) -> None:
    declare(mirrored, retries={"attempts": 0})
    found = outage(mirrored)
    told(found)
    assert found.results["cluster2"].failures == []
    assert went_away_and_came_back(found)
    each = found.results["cluster1"].each
    first_remote = next(index for index, a in enumerate(each) if a.cluster == "cluster2")
    assert all(a.status == 200 for a in each[first_remote:])
    # One failure in a row ejects an endpoint, and this load sends one request after the other.
    assert len(found.results["cluster1"].failures) <= 2


def went_away_and_came_back(found: Outage) -> bool:
    """Whether cluster1's requests went to cluster2 and back, each once, and cluster2's never left it."""
    answered = [a.cluster for a in found.results["cluster1"].each if a.cluster]
    regions = [name for name, before in zip(answered, ["", *answered], strict=False) if name != before]
    return regions == ["cluster1", "cluster2", "cluster1"] and set(found.results["cluster2"].answers) == {"cluster2"}
