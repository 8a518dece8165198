"""STRICT mTLS for the whole mesh, and access by the SPIFFE identity of callers in another cluster."""

from collections.abc import Iterator
from typing import Any

import pytest

from live.load.constant import LoadResult
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

pytestmark = pytest.mark.lab
SECURITY = "security.istio.io/v1"
URL = "http://helloworld.sample:5000/hello"
# Without injection, and with it but another ServiceAccount than the sample's client.
PLAIN, STRANGERS = "plain", "strangers"
STRICT = {
    "apiVersion": SECURITY,
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": "istio-system"},
    "spec": {"mtls": {"mode": "STRICT"}},
}
CLIENT_ONLY = {
    "apiVersion": SECURITY,
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "helloworld", "namespace": NAMESPACE},
    "spec": {
        "selector": {"matchLabels": {"app": "helloworld"}},
        "action": "ALLOW",
        "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/sample/sa/sleep"]}}]}],
    },
}


def sleep_pod(namespace: str) -> dict[str, Any]:
    container = {
        "name": "sleep",
        "image": "localhost/sample:1",
        "imagePullPolicy": "Never",
        "command": ["busybox", "sleep", "2147483647"],
    }
    metadata = {"name": "sleep", "namespace": namespace, "labels": {"app": "sleep"}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def callers(mirrored: Mirrored) -> Iterator[Mirrored]:
    """The mesh without policy, and in every cluster a client without a sidecar and one with another identity."""
    mirrored.declare()
    mirrored.stack.up()
    labels = {PLAIN: {}, STRANGERS: {"istio-injection": "enabled"}}
    for cluster in mirrored.accesses:
        for name, each in labels.items():
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": each}}
            # Not in one list: the pod is injected only where its namespace's label is known already.
            mirrored.kubectl(cluster).apply(namespace)
            mirrored.kubectl(cluster)("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
            mirrored.kubectl(cluster).apply(sleep_pod(name))
    for cluster in mirrored.accesses:
        for name in labels:
            mirrored.kubectl(cluster)("-n", name, "wait", "--for=condition=Ready", "pod/sleep", "--timeout=90s")
    yield mirrored
    for cluster in mirrored.accesses:
        mirrored.kubectl(cluster)("delete", "namespace", PLAIN, STRANGERS, "--wait=false")


def failures(results: dict[str, LoadResult]) -> dict[str, list[str]]:
    return {name: result.failures for name, result in results.items()}


def strangers(mirrored: Mirrored) -> dict[str, LoadResult]:
    return mirrored.ask(100, namespace=STRANGERS, url=URL)


def test_without_policy_everybody_gets_an_answer(callers: Mirrored) -> None:
    assert failures(callers.ask(20, namespace=PLAIN, url=URL)) == {"cluster1": [], "cluster2": []}
    assert failures(strangers(callers)) == {"cluster1": [], "cluster2": []}


def test_under_strict_mtls_plain_text_fails_and_both_clusters_still_reach_each_other(callers: Mirrored) -> None:
    callers.declare({"strict.yaml": [STRICT]})
    callers.stack.up()
    assert eventually(lambda: all(len(r.failures) == 20 for r in callers.ask(20, namespace=PLAIN, url=URL).values()))
    for result in callers.ask(20, namespace=PLAIN, url=URL).values():
        assert all("reset by peer" in failure for failure in result.failures)
    for result in callers.ask(200).values():
        assert result.failures == []
        assert set(result.answers) == {"cluster1", "cluster2"}


def test_access_by_identity_holds_for_callers_in_the_other_cluster(callers: Mirrored) -> None:
    callers.declare({"strict.yaml": [STRICT], "access.yaml": [CLIENT_ONLY]})
    callers.stack.up()
    assert eventually(lambda: all(len(result.failures) == 100 for result in strangers(callers).values()))
    for result in strangers(callers).values():
        assert {failure.split(" ", 1)[0] for failure in result.failures} == {"403"}
    for result in callers.ask(200).values():
        assert result.failures == []
        assert set(result.answers) == {"cluster1", "cluster2"}
    # With cluster2's stranger gone, what cluster2's helloworld refuses comes from cluster1.
    callers.kubectl("cluster2")("-n", STRANGERS, "delete", "pod", "sleep", "--wait")
    before = refusals(callers)
    refused = callers.kubectl("cluster1")("-n", STRANGERS, "exec", "sleep", "-c", "sleep", "--", "sh", "-c", asked(40))
    assert set(refused.split()) == {"403"}
    assert eventually(lambda: refusals(callers) > before)


def asked(number: int) -> str:
    return f"curl -s -o /dev/null -m 5 -H 'Connection: close' -w '%{{http_code}}\\n' '{URL}?n=[1-{number}]'"


def refusals(mirrored: Mirrored) -> int:
    return mirrored.proxy_log("cluster2", "app=helloworld").count("rbac_access_denied")
