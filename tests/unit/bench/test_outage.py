"""What an outage's figures are told from: times and places of answers."""

import pytest

from bench.outage import Outage
from live.load.constant import Answer, LoadResult


def answer(came: float, cluster: str) -> Answer:
    text = f"Hello version: v1, cluster: {cluster}, instance: x" if cluster else "reset"
    return Answer(200 if cluster else 503, text, came - 0.1, came)


@pytest.fixture
def outage() -> Outage:
    """Away from 10 to 20, noticed at 10.5 after one failure, back at 20.25."""
    each = [
        answer(9.5, "cluster1"),
        answer(10.25, ""),
        answer(10.5, "cluster2"),
        answer(15, "cluster2"),
        answer(20.25, "cluster1"),
        answer(21, "cluster1"),
    ]
    other = LoadResult([answer(12, "cluster2")])
    return Outage("cluster1", {"cluster1": LoadResult(each), "cluster2": other}, ended=10, ready=20)


def test_times_are_told_from_the_end_of_the_backends_and_from_their_being_ready(outage: Outage) -> None:
    assert outage.first_remote == 0.5
    assert outage.first_local == 0.25


def test_failures_are_those_of_the_cluster_whose_backends_ended(outage: Outage) -> None:
    assert outage.failures == ["503 reset"]


def test_every_change_of_place_is_told_once(outage: Outage) -> None:
    assert outage.places == ["cluster1", "cluster2", "cluster1"]
