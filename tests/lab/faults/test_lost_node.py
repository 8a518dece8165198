"""A node that loses its power, and the region's east-west gateway with it."""

from time import sleep

import pytest

from live.kubeconfig import ClusterAccess
from live.load.constant import requests_at_once
from live.load.traffic import REQUEST_SECONDS
from tests.lab.faults.findings import codes
from tests.lab.faults.under_load import shown, under_load
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

pytestmark = pytest.mark.lab


def all_answer(access: ClusterAccess) -> bool:
    """Whether both clusters answer this one's client, and no request fails."""
    result = requests_at_once(access, NAMESPACE, 10)
    return set(result.answers) == {"cluster1", "cluster2"} and not result.failures


def test_a_region_whose_node_is_lost_with_the_gateway_answers_again_by_itself(mirrored: Mirrored) -> None:
    # The lab's regions have one node: with the gateway go the API server and everything else.
    with under_load(mirrored, "cluster1") as load:
        sleep(1)
        load.note("lost")
        with mirrored.lab.faults.node_down("cluster2"):
            sleep(2 * REQUEST_SECONDS)
            load.note("up")
            found = codes(mirrored)
        load.note("back")
        # The client of cluster2 is not up yet either.
        assert eventually(lambda: all_answer(mirrored.accesses["cluster1"]), 180)
        load.note("normal")
        sleep(1)
    load.show("node of cluster2 lost")
    print(f"remote answers {load.again('cluster1', 'cluster2', 'back'):.1f} s after the node was back")  # noqa: T201
    # Every second request hangs until its client gives up, as when the WAN is cut; what its own region answers is good.
    assert set(shown(answers := load.between("cluster1", "lost", "up"))) >= {"cluster1"}
    assert {each.status for each in answers} <= {200, 0, 503, 504}
    assert [each for each in load.after("cluster1", "normal") if each.status != 200] == []
    assert ("SM611", "cluster2") in found
    assert eventually(lambda: codes(mirrored) == set(), 120), codes(mirrored)
