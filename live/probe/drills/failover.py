"""The failover drill: the servers of one cluster fail, and its clients are to be answered by another one."""

import time

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from health.drill import Drill
from live.client import TIMEOUT, api_client
from live.pods.port import pod_http
from live.probe import bootstrap
from live.probe.drills.watch import Watch, watching
from live.probe.objects import LABELS, NAMESPACE, PROBE, Json
from live.probe.run import Probe
from live.probe.site import Site
from live.probe.uninterrupted import uninterrupted
from policy.hosts import full_name

NAME = "failover"
LOCAL_SECONDS = 10
FAILOVER_SECONDS = 30
BACK_SECONDS = 45
# Long enough to show that it lasts.
AFTERWARDS_SECONDS = 2
# What the stack's helper `localityFailover` writes, with a shorter ejection so that the drill ends soon.
TRAFFIC_POLICY = {
    "loadBalancer": {"simple": "LEAST_REQUEST", "localityLbSetting": {"enabled": True}},
    "outlierDetection": {
        "consecutiveGatewayErrors": 3,
        "interval": "1s",
        "baseEjectionTime": "5s",
        "maxEjectionPercent": 100,
    },
}


def failover(probe: Probe, cluster: str, peer: str) -> Drill:
    """Let the probe's servers in one cluster answer by 503 for a while, under locality load balancing.

    Args:
        probe: the probe.
        cluster: Istio's name of the cluster whose servers fail, and whose client asks.
        peer: a linked cluster that can answer instead.
    """
    site = probe.sites[cluster]
    title = f"the probe's servers in {cluster} fail; its clients are to be answered by {peer} or another cluster"
    with watching(site) as watch:
        try:
            _write(site, _rule())
            _play(watch, site)
        finally:
            with uninterrupted(lambda: None):
                _down(site, 0)
                undone = _write(site, None)
    return Drill(NAME, title, cluster, peer, watch.samples, tuple(watch.marks), undone=undone)


def _play(watch: Watch, site: Site) -> None:
    here = site.cluster
    asked = watch.mark("locality load balancing on")
    local = _only_local(watch, here, asked)
    if local:
        watch.mark("only local answers")
    failed = watch.mark("servers fail")
    _down(site, 100)
    # A request that was under way may still be answered locally: what counts is an answer from elsewhere.
    if watch.wait("first remote answer", lambda a: bool(a.cluster) and a.cluster != here, failed, FAILOVER_SECONDS):
        time.sleep(AFTERWARDS_SECONDS)
    back = watch.mark("servers are back")
    _down(site, 0)
    if watch.wait("first local answer", lambda a: a.cluster == here, back, BACK_SECONDS):
        time.sleep(AFTERWARDS_SECONDS)


def _only_local(watch: Watch, here: str, since: float) -> bool:
    """Whether, for a second, only the own cluster answered; False where localities do not tell the clusters apart."""
    deadline = since + LOCAL_SECONDS
    while (now := time.monotonic()) < deadline:
        latest = [a for a in tuple(watch.answers) if a.at >= max(since, now - 1)]
        if now - since > 1 and latest and all(a.cluster == here for a in latest):
            return True
        time.sleep(0.1)
    return False


def _rule() -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": PROBE, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"host": full_name(PROBE, NAMESPACE), "trafficPolicy": TRAFFIC_POLICY},
    }


def _write(site: Site, rule: Json | None) -> bool:
    """Make the DestinationRule, or remove it; whether it is as wanted afterwards."""
    where = ("networking.istio.io", "v1", NAMESPACE, "destinationrules")
    with api_client(site.access) as api:
        objects = client.CustomObjectsApi(api)
        try:
            if rule:
                objects.create_namespaced_custom_object(*where, rule, _request_timeout=TIMEOUT)
            else:
                objects.delete_namespaced_custom_object(*where, PROBE, _request_timeout=TIMEOUT)
        except ApiException as error:
            return not rule and error.status == 404
    return True


def _down(site: Site, percent: int) -> None:
    with pod_http(site.access, PROBE, NAMESPACE, bootstrap.SERVER_ADMIN_PORT) as admin:
        admin.text(f"/runtime_modify?{bootstrap.DOWN}={percent}", method="POST")
