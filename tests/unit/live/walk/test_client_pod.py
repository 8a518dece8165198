"""The pod that a user means."""

import pytest

from health.walk.facts import Pod
from live.walk.client_pod import NoPodError, chosen

PODS = [
    Pod("c", "sample", "sleep-7b6d-aaaaa", labels={"app": "sleep"}, owner="ReplicaSet/sleep-7b6d", ready=False),
    Pod("c", "sample", "sleep-7b6d-bbbbb", labels={"app": "sleep"}, owner="ReplicaSet/sleep-7b6d"),
    Pod("c", "sample", "sleepless-0", labels={"app": "sleepless"}, owner="StatefulSet/sleepless"),
    Pod("c", "sample", "debug", owner="/"),
]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("sleep-7b6d-aaaaa", "sleep-7b6d-aaaaa"),
        ("sleep", "sleep-7b6d-bbbbb"),
        ("deploy/sleep", "sleep-7b6d-bbbbb"),
        ("Deployment/sleep", "sleep-7b6d-bbbbb"),
        ("sts/sleepless", "sleepless-0"),
        ("pod/debug", "debug"),
        ("app=sleep", "sleep-7b6d-bbbbb"),
        ("app=sleepless", "sleepless-0"),
    ],
)
def test_a_ready_pod_that_fits_is_chosen(wanted: str, name: str) -> None:
    assert chosen(PODS, wanted, "c/sample").name == name


@pytest.mark.parametrize("wanted", ["web", "deploy/sleepless", "sts/sleep", "app=web", "cronjob/sleep"])
def test_where_none_fits_those_that_there_are_are_named(wanted: str) -> None:
    with pytest.raises(NoPodError) as error:
        chosen(PODS, wanted, "c/sample")
    assert f"c/sample: no pod is {wanted}. Pods there: sleep-7b6d-aaaaa, " in str(error.value)
