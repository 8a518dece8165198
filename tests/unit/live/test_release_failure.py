"""What is said of a Helm release that failed."""

import pytest
from urllib3.exceptions import HTTPError

from live import release_failure
from live.kubeconfig import ClusterAccess
from live.release_failure import why_release_failed

ACCESS = ClusterAccess("cluster1", {})
POD = "pod istio-system/istiod-1: ImagePullBackOff"


@pytest.fixture(autouse=True)
def pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod of the cluster is not ready."""
    monkeypatch.setattr(release_failure, "why_not_ready", lambda *_: [POD])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("release: already exists", "the plug-in of one that was killed. Wait a minute, run `spanmesh repair`"),
        (
            "another operation (install/upgrade/rollback) is in progress",
            "Run `spanmesh repair`; where the stack's state",
        ),
        (
            "cannot re-use a name that is still in use",
            "an interrupted run left a Helm release that Pulumi does not know",
        ),
        ("context deadline exceeded", POD),
    ],
)
def test_each_of_helms_errors_is_told_with_its_cause_and_cure(error: str, says: str) -> None:
    (reason,) = why_release_failed(ACCESS, [f"1 error occurred: {error}"])
    assert says in reason


def test_a_cluster_that_does_not_answer_is_said_to_do_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> list[str]:
        raise HTTPError("timed out")

    monkeypatch.setattr(release_failure, "why_not_ready", silent)
    assert why_release_failed(ACCESS, ["context deadline exceeded"]) == ["the cluster does not answer: timed out"]
