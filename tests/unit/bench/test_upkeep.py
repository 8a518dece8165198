"""What the figures of upkeep are told from: requests before, in and after a fault."""

import pytest

from bench.servers import StillError
from bench.upkeep_parts import across, between
from live.load.constant import Answer


def answer(asked: float, came: float, cluster: str) -> Answer:
    text = f"Hello version: v1, cluster: {cluster}, instance: x" if cluster else "timed out"
    return Answer(200 if cluster else 0, text, asked, came)


# The way is cut from 10 to 20.
ANSWERS = {
    "cluster1": [
        answer(9, 9.1, "cluster2"),
        answer(16, 21, ""),
        answer(19, 20.5, "cluster1"),
        answer(19.5, 23, "cluster2"),
        answer(21, 21.1, "cluster2"),
    ],
    "cluster2": [answer(19, 20.25, "cluster1"), answer(22, 22.1, "cluster2")],
}


def test_a_way_is_healed_once_every_cluster_was_answered_by_another_one_whichever_answer_came_first() -> None:
    assert across(ANSWERS, 20) == 21.1


def test_a_cluster_that_none_but_itself_answers_is_not_reached_again() -> None:
    with pytest.raises(StillError, match="cluster2"):
        across(ANSWERS, 20.3)


def test_a_request_belongs_to_the_time_in_which_it_was_asked() -> None:
    cut = between(ANSWERS, 10, 20)
    assert [each.asked for each in cut["cluster1"]] == [16, 19, 19.5]
    assert [each.cluster for each in cut["cluster2"]] == ["cluster1"]
