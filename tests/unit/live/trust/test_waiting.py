"""Waiting for a declared trust: who is named, when it ends, and whose Secret is renewed meanwhile."""

from collections.abc import Mapping

import pytest

from health.trust_change import HeldTrust, Obstacle
from live.kubeconfig import ClusterAccess
from live.trust import waiting
from live.trust.waiting import wait_until_clear

ACCESSES = {name: ClusterAccess(name, {}) for name in ("cluster1", "cluster2")}
LAGS = Obstacle("cluster2", "a.sample", "lags")


@pytest.fixture
def refreshed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Clusters whose mounted Secrets were renewed, each time."""
    done: list[list[str]] = []

    def refresh(accesses: Mapping[str, ClusterAccess]) -> None:
        done.append(list(accesses))

    monkeypatch.setattr(waiting, "read_all_held", lambda _: {name: HeldTrust((), (), {}) for name in ACCESSES})
    monkeypatch.setattr(waiting, "refresh_mounted", refresh)
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0.01)
    return done


def test_it_ends_at_the_first_look_at_which_nothing_is_left(refreshed: list[list[str]]) -> None:
    answers = iter([[LAGS], [LAGS], []])
    said: list[str] = []
    waited = wait_until_clear(ACCESSES, lambda _: next(answers), 30, said.append)
    assert not waited.left
    assert set(waited.held) == set(ACCESSES)
    assert said == ["30 s left, waiting for cluster2: a.sample: lags"], "the same is not said twice"
    assert refreshed == [["cluster2"]], "only where it is waited, and not again at once"


def test_what_is_left_at_the_end_of_the_time_is_told(refreshed: list[list[str]]) -> None:
    waited = wait_until_clear(ACCESSES, lambda _: [LAGS], 0.05, lambda _: None)
    assert waited.left == [LAGS]
    assert waited.seconds >= 0.05


def test_what_is_clear_at_once_touches_nothing(refreshed: list[list[str]]) -> None:
    assert not wait_until_clear(ACCESSES, lambda _: [], 30, pytest.fail).left
    assert refreshed == []
