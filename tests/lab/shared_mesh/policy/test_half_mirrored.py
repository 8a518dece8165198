"""The article's failure: policy in one cluster only resets what goes to the other one's versions."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import Mirrored, annotated, destination_rule, virtual_service
from tests.lab.shared_mesh.policy.binomial import bounds

pytestmark = pytest.mark.lab
REQUESTS = 1000
FILE = "half.yaml"
REASON = "the article's failure, on purpose"


def half(**annotations: str) -> list[dict[str, Any]]:
    """The article's canary for cluster1 only."""
    documents = (virtual_service({"v1": 80, "v2": 20}), destination_rule())
    return [annotated(document, clusters="cluster1", **annotations) for document in documents]


def test_policy_in_one_cluster_only_is_named_and_nothing_is_applied(mirrored: Mirrored) -> None:
    mirrored.declare()
    mirrored.stack.up()
    mirrored.declare({FILE: half()})
    refused = mirrored.attempt()
    assert refused.returncode != 0
    assert "SM404" in refused.stdout
    assert f"policies/{FILE}:" in refused.stdout
    assert not mirrored.holds("cluster1", "virtualservice", "helloworld")
    assert not mirrored.holds("cluster1", "destinationrule", "helloworld")


@pytest.fixture(scope="module")
def acknowledged(mirrored: Mirrored) -> Mirrored:
    """The mesh with the same policy, applied in spite of the check."""
    mirrored.declare({FILE: half(acknowledge__SM403=REASON, acknowledge__SM404=REASON)})
    mirrored.stack.up()
    assert mirrored.holds("cluster1", "virtualservice", "helloworld")
    assert not mirrored.holds("cluster2", "virtualservice", "helloworld")
    assert eventually(lambda: mirrored.ask(50)["cluster1"].failures != [])
    return mirrored


def test_with_the_check_overridden_the_share_of_the_other_cluster_is_reset(acknowledged: Mirrored) -> None:
    results = acknowledged.ask(REQUESTS)
    fewest, most = bounds(REQUESTS, 0.2)
    assert results["cluster1"].answers.keys() == {"cluster1"}
    assert fewest <= len(results["cluster1"].failures) <= most
    assert {failure.split()[0] for failure in results["cluster1"].failures} == {"503"}
    # What the article quotes: the client's proxy sees the reset, the gateway knows no such SNI.
    log = acknowledged.proxy_log("cluster1", "app=sleep")
    assert "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer" in log
    log = acknowledged.proxy_log("cluster2", "istio=eastwestgateway", "istio-system")
    assert any("filter_chain_not_found" in line and "outbound_.5000_.v2_." in line for line in log.splitlines())
    # Where there is no policy, nothing is chosen by version, and nothing fails.
    assert results["cluster2"].failures == []
    assert results["cluster2"].answers.keys() == {"cluster1", "cluster2"}


def test_mirroring_mends_it(acknowledged: Mirrored) -> None:
    mirrored = acknowledged
    mirrored.declare({FILE: [virtual_service({"v1": 80, "v2": 20}), destination_rule()]})
    with ExitStack() as running:
        loads = mirrored.load(running)
        mirrored.stack.up()
        assert eventually(lambda: all(not result.failures for result in mirrored.ask(200).values()))
    fewest, most = bounds(REQUESTS, 0.2)
    for result in mirrored.ask(REQUESTS).values():
        assert result.failures == []
        assert fewest <= result.versions["v2"] <= most
    # cluster2 had no policy and no failure before, and has none while its policy comes.
    assert loads["cluster2"].result().failures == []
