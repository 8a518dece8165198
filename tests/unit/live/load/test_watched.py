"""What is told of a load beside its requests."""

from collections import Counter

from live.load.steady import Failure, SteadyResult
from live.load.watched import WatchedResult, ended_pods

NOON = 1_795_435_200


def result(sent: int, *failures: Failure) -> SteadyResult:
    answers = Counter(cluster1=sent - len(failures))
    return SteadyResult(sent, len(failures), failures, answers, Counter(v1=sent - len(failures)), 0.1, 10)


def test_pods_that_are_gone_or_restarted_have_ended_and_new_ones_have_not() -> None:
    before = {"cluster1/sample/a": 0, "cluster1/sample/b": 1, "cluster1/sample/gone": 0}
    after = {"cluster1/sample/a": 0, "cluster1/sample/b": 2, "cluster2/sample/new": 0}
    assert ended_pods(before, after) == ["cluster1/sample/b", "cluster1/sample/gone"]


def test_failures_name_cluster_and_time_and_what_a_retry_hid_is_told_apart() -> None:
    counted = Counter(
        {"upstream_cx_total": 103, "upstream_rq_retry": 3, "ssl.handshake": 100, "ssl.session_reused": 40}
    )
    failure = Failure(NOON, "upstream connect error 503 0.01")
    found = WatchedResult({"cluster1": result(50), "cluster2": result(51, failure)}, counted, [])
    assert found.failed == 1
    assert found.failures == ["cluster2: 12:00:00 upstream connect error 503 0.01"]
    assert found.hidden == {"upstream_rq_retry": 3}
    assert (found.opened, found.verified) == (103, 60)
