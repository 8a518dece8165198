"""`spanmesh rotate intermediate` on a mesh that carries traffic."""

import pytest
from kubernetes import client

from health.observed import Unknown
from live.client import api_client
from live.trust.held import read_held
from tests.lab.kubectl import eventually
from tests.lab.rotation.conftest import Rotated
from topology.certificates import chain_to_root, describe

pytestmark = pytest.mark.lab


def test_key_and_certificate_of_the_named_cluster_alone_are_new_under_the_same_root(rotated: Rotated) -> None:
    assert rotated.intermediate is not None
    assert rotated.intermediate.code == 0, rotated.intermediate.said
    assert rotated.intermediate.result["rotated"] == ["cluster2"]
    before, after = rotated.cacerts
    assert after["cluster1"] == before["cluster1"]
    root = after["cluster2"]["root-cert.pem"]
    assert root == before["cluster2"]["root-cert.pem"]
    for file in ("ca-key.pem", "ca-cert.pem", "cert-chain.pem"):
        assert after["cluster2"][file] != before["cluster2"][file]
    assert len(chain_to_root(after["cluster2"]["ca-cert.pem"], root)) == 2


def test_istiod_signs_by_it_and_a_new_pod_has_a_certificate_of_it(rotated: Rotated) -> None:
    access = rotated.stack.accesses["cluster2"]
    intermediate = describe(rotated.cacerts[1]["cluster2"]["ca-cert.pem"]).sha256
    istiods = read_held(access).istiods
    assert not isinstance(istiods, Unknown)
    assert [each.intermediate for each in istiods] == [intermediate]
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        [old] = core.list_namespaced_pod("sample", label_selector="app=sleep").items
        core.delete_namespaced_pod(old.metadata.name, "sample", grace_period_seconds=0)

    def has_one() -> bool:
        new = [each for each in read_held(access).proxies if each.proxy.startswith("sleep-")]
        return [each.chain[1].fingerprint for each in new if each.chain] == [intermediate]

    assert eventually(has_one, 90)
