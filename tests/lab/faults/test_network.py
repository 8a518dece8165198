"""The WAN cut, lossy and slow; an API server away: what clients get meanwhile, and that it mends by itself.

Seconds are printed (-rP) and fail no test; longer outages are measured in bench/upkeep.py.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import sleep
from typing import Any

import pytest

from health.checks import gateway_ports
from health.examination import examine
from live.observed import observe
from live.probe import Probe
from tests.lab.faults.findings import wrong
from tests.lab.faults.under_load import shown, under_load
from tests.lab.kubectl import eventually
from tests.lab.shared_mesh.mirrored import NAMESPACE, Mirrored

pytestmark = pytest.mark.lab

SYSTEM = ("-n", "istio-system")
CUT_SECONDS, SHAKY_SECONDS = 8, 6
# The article's: the own region first, the other one where the own fails.
LOCAL_FIRST = {
    "loadBalancer": {"localityLbSetting": {"enabled": True, "failover": [{"from": "cn-north-4", "to": "cn-east-3"}]}},
    "outlierDetection": {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "10s"},
}


@contextmanager
def sample_rule(mirrored: Mirrored, cluster: str, policy: Mapping[str, Any]) -> Iterator[None]:
    """The sample's DestinationRule of one cluster, whose clients obey it, with more in its trafficPolicy."""

    def patch(added: Mapping[str, Any]) -> None:
        body = json.dumps({"spec": {"trafficPolicy": added}})
        mirrored.kubectl(cluster)(
            "-n", NAMESPACE, "patch", "destinationrule/helloworld-connections", "--type=merge", "-p", body
        )

    patch(policy)
    try:
        yield
    finally:
        patch(dict.fromkeys(policy))


def gateway_port_findings(mirrored: Mirrored, probe: Probe) -> dict[tuple[str, str], str]:
    """What `spanmesh verify` finds of the ports of gateways, as its probe tries them now."""
    stack = mirrored.stack.load()
    observed, tried = observe(stack.mesh, stack.accesses), probe.handshakes()
    clusters = {name: replace(each, handshakes=tried[name]) for name, each in observed.clusters.items()}
    results = examine(replace(observed, clusters=clusters), gateway_ports.EXAMINED)
    return {(each.cause.code, each.where): each.message for each in results if each.cause}


def normal(mirrored: Mirrored) -> bool:
    """Whether every cluster's client gets answers of both clusters, and none fails."""
    results = mirrored.ask(10).values()
    return all(set(each.answers) == {"cluster1", "cluster2"} and not each.failures for each in results)


@pytest.fixture(scope="module")
def probe(mirrored: Mirrored) -> Iterator[Probe]:
    """The probe of `spanmesh verify`, in both clusters."""
    stack = mirrored.stack.load()
    with Probe(stack.mesh, stack.accesses) as probe:
        assert eventually(lambda: gateway_port_findings(mirrored, probe) == {})
        yield probe


def test_local_answers_go_on_while_the_wan_is_cut_and_remote_ones_come_back_by_themselves(
    mirrored: Mirrored, probe: Probe
) -> None:
    faults = mirrored.lab.faults
    with sample_rule(mirrored, "cluster1", LOCAL_FIRST):
        assert eventually(lambda: set(mirrored.ask(20)["cluster1"].answers) == {"cluster1"})
        with under_load(mirrored) as load:
            sleep(1)
            load.note("cut")
            with faults.cut("cluster1", "cluster2"):
                sleep(CUT_SECONDS)
                seen = gateway_port_findings(mirrored, probe)
            load.note("healed")
            assert eventually(lambda: set(mirrored.ask(10)["cluster2"].answers) == {"cluster1", "cluster2"})
    load.show("WAN cut")
    print(f"remote answers {load.again('cluster2', 'cluster1', 'healed'):.1f} s after healing")  # noqa: T201
    # By locality failover no request goes over the WAN while the own region answers.
    assert load.failures("cluster1") == []
    assert set(load.results["cluster1"].answers) == {"cluster1"}
    # Without it every second request hangs until its client gives up; answers that come are local.
    during = load.between("cluster2", "cut", "healed")
    assert "cluster2" in shown(during)
    assert {each.status for each in during} <= {200, 0, 503, 504}
    # Verify names each direction, and what it tried.
    assert set(seen) == {("SM648", "cluster1 -> cluster2"), ("SM648", "cluster2 -> cluster1")}
    assert "no answer within 3 s" in seen["SM648", "cluster1 -> cluster2"]
    assert eventually(lambda: normal(mirrored))
    assert eventually(lambda: gateway_port_findings(mirrored, probe) == {})


def test_nothing_breaks_by_200_ms_of_delay_or_by_packets_lost_one_way(mirrored: Mirrored, probe: Probe) -> None:
    faults = mirrored.lab.faults
    with faults.delayed("cluster1", "cluster2", 200):
        with under_load(mirrored) as delayed:
            sleep(SHAKY_SECONDS)
        assert gateway_port_findings(mirrored, probe) == {}
    with faults.lossy("cluster1", "cluster2", 5), under_load(mirrored) as lossy:
        sleep(SHAKY_SECONDS)
    delayed.show("200 ms each way")
    lossy.show("5 % lost from cluster1 to cluster2")
    for each in (delayed, lossy):
        remote = [came for name in mirrored.accesses for came in each.remote(name)]
        assert remote, "no request went over the WAN"
        if each is delayed:
            # TCP, TLS and the request are a round trip each.
            assert min(answer.came - answer.asked for answer in remote) > 0.4
    assert [delayed.failures(name) for name in mirrored.accesses] == [[], []]
    # Three retransmissions of one packet are longer than the sample's client waits: once in thousands.
    assert sum(len(lossy.failures(name)) for name in mirrored.accesses) <= 1
    assert wrong(mirrored) == {}


def test_traffic_goes_on_without_an_api_server_and_a_new_istiod_says_what_it_lacks(mirrored: Mirrored) -> None:
    first = mirrored.kubectl("cluster1")
    istiod = "deployment/istiod"
    # cluster2's load is sent through its API server, so only cluster1's client can tell.
    with under_load(mirrored, "cluster1") as load:
        sleep(1)
        with mirrored.lab.faults.api_server_stopped("cluster2"):
            load.note("away")
            sleep(8)
            load.note("restarted")
            try:
                # A new istiod, which waits 5 s for other clusters where istiod waits 30 by itself.
                first(*SYSTEM, "set", "env", istiod, "PILOT_REMOTE_CLUSTER_TIMEOUT=5s")
                first(*SYSTEM, "rollout", "status", istiod, "--timeout=60s")
                load.note("ready")
                assert eventually(lambda: set(how_far(mirrored)) == {"cluster1: timeout", "cluster2: away"})
                found = wrong(mirrored)
            finally:
                load.note("back")
        assert eventually(lambda: load_reaches(mirrored, "cluster2"), 180)
    try:
        load.show("API server of cluster2 away")
        print(f"remote answers {load.again('cluster1', 'cluster2', 'back'):.1f} s after it was asked back")  # noqa: T201
        # After it is back, Kubernetes may call its nodes NotReady for a moment: their leases are old.
        during = load.between("cluster1", "began", "back")
        assert [each for each in during if each.status != 200] == []
        # As long as istiod runs, both clusters answer, whoever's API server is away.
        assert set(shown(load.between("cluster1", "away", "restarted"))) == {"cluster1", "cluster2"}
        # The one cause is named, and what follows from it is not.
        assert set(found) == {("SM611", "cluster2")}
        assert "API server" in found["SM611", "cluster2"].message
    finally:
        first(*SYSTEM, "set", "env", istiod, "PILOT_REMOTE_CLUSTER_TIMEOUT-")
        first(*SYSTEM, "rollout", "status", istiod, "--timeout=60s")
    assert eventually(lambda: wrong(mirrored) == {} and normal(mirrored), 60), wrong(mirrored)


def load_reaches(mirrored: Mirrored, server: str) -> bool:
    """Whether a cluster answers the client of cluster1."""
    return server in mirrored.ask(6)["cluster1"].answers


def how_far(mirrored: Mirrored) -> list[str]:
    """What `spanmesh status` says of remote clusters: how far istiod of cluster1 is, and who cannot be asked."""
    stack = mirrored.stack.load()
    observed = observe(stack.mesh, stack.accesses)
    istiods = observed.clusters["cluster1"].istiods
    said = [
        f"cluster1: {remote.status}"
        for istiod in (istiods if isinstance(istiods, tuple) else ())
        for remote in istiod.remotes
        if remote.name == "cluster2"
    ]
    away = not isinstance(observed.clusters["cluster2"].kubernetes, str)
    return [*said, *(["cluster2: away"] if away else [])]
