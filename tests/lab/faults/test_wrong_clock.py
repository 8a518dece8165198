"""A region whose clock is a day ahead: what its programs, certificates and peers make of it, and how it mends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep

import pytest

from live.load.constant import LoadResult
from tests.lab.faults.findings import wrong_with_proxies
from tests.lab.faults.under_load import under_load
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

pytestmark = pytest.mark.lab

DAY = 86_400
BOTH = {"cluster1", "cluster2"}


@contextmanager
def day_ahead(mirrored: Mirrored) -> Iterator[None]:
    """cluster2 with such a clock; afterwards without what its DNS remembers of that time."""
    try:
        with mirrored.lab.faults.clock_wrong("cluster2", DAY):
            yield
    finally:
        # Its cache keeps answers until the time comes at which it took them, whatever their TTL.
        restart(mirrored, "kube-system")


def answered(mirrored: Mirrored, judge: Callable[[dict[str, LoadResult]], bool]) -> bool:
    """Whether some requests from every cluster get what they are to get, soon."""
    return eventually(lambda: judge(mirrored.ask(10)), 60)


def normal(results: dict[str, LoadResult]) -> bool:
    return all(set(each.answers) == BOTH and not each.failures for each in results.values())


def restart(mirrored: Mirrored, namespace: str) -> None:
    """New pods for the Deployments of a namespace of cluster2."""
    kubectl = mirrored.kubectl("cluster2")
    kubectl("-n", namespace, "rollout", "restart", "deployment")
    kubectl("-n", namespace, "rollout", "status", "deployment", "--timeout=100s")


def test_a_clock_a_day_ahead_is_named_and_all_is_well_once_it_is_right(mirrored: Mirrored) -> None:
    with under_load(mirrored, "cluster1") as load:
        sleep(1)
        load.note("wrong")
        with day_ahead(mirrored):
            # Certificates last a day: for the proxies of cluster2 those of both clusters are over.
            assert answered(mirrored, lambda of: not of["cluster2"].answers and set(of["cluster1"].answers) < BOTH)
            seen = wrong_with_proxies(mirrored)
            assert seen.keys() == {("SM657", "cluster2")}
            assert "1 day, 0:00:00 ahead of the others'" in seen["SM657", "cluster2"].message
        assert answered(mirrored, normal)
        load.note("normal")
        sleep(1)
    load.show("clock a day ahead")
    assert wrong_with_proxies(mirrored) == {}
    # What is answered in its own cluster goes on; what goes across is refused at once, and does not hang.
    during = load.between("cluster1", "wrong", "normal")
    assert any(each.cluster == "cluster1" for each in during)
    assert all(each.cluster or "connection termination" in each.text for each in during)
    assert [each for each in load.after("cluster1", "normal") if not each.cluster] == []


def test_what_was_signed_while_the_clock_was_wrong_is_named_when_it_is_right_again(mirrored: Mirrored) -> None:
    with day_ahead(mirrored):
        restart(mirrored, NAMESPACE)
        # Of one time among themselves.
        assert answered(
            mirrored, lambda of: not of["cluster2"].failures and set(of["cluster2"].answers) == {"cluster2"}
        )
    assert answered(mirrored, lambda of: not of["cluster2"].answers)
    seen = wrong_with_proxies(mirrored)
    assert seen.keys() == {("SM639", "cluster2")}
    message = seen["SM639", "cluster2"].message
    assert "helloworld-" in message
    assert "sleep-" in message
    assert "not valid before" in message
    restart(mirrored, NAMESPACE)
    assert answered(mirrored, normal)
    assert eventually(lambda: wrong_with_proxies(mirrored) == {}), wrong_with_proxies(mirrored)
