"""The rotation drill: the remote Secret of one reader is rewritten, as a new token would, and written back.

What istio#61043 broke: istiod took the changed kubeconfig for another cluster, and lost the endpoints of the old one.
"""

import base64
import time
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from health.drill import Drill
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.probe.drills.watch import Watch, watching
from live.probe.hosts import hosts
from live.probe.run import Probe
from live.probe.uninterrupted import uninterrupted
from live.reachability import UnreachableError
from live.remote_access.clusters import SYNCED, istiods
from topology.defaults import NAMESPACE, REMOTE_SECRET

NAME = "token-rotation"
SYNC_SECONDS = 45
# Endpoints that istio#61043 lost were gone by then.
LOST_SECONDS = 15
BEFORE_SECONDS = 1
POLL_SECONDS = 0.5
# YAML's comment: the kubeconfig says the same, and istiod, which compares the text, reads it anew.
REWRITTEN = b"\n# rewritten by spanmesh verify\n"


def token_rotation(probe: Probe, reader: str, peer: str) -> Drill:
    """Rewrite what one reader's istiods read by, look whether they lose anything, and write back what was there.

    Args:
        probe: the probe.
        reader: Istio's name of the cluster whose remote Secret is rewritten, and whose client asks.
        peer: a cluster that it reads.
    """
    access = probe.accesses[reader]
    title = f"the remote Secret of {reader} is rewritten, as a rotation of tokens does"
    with watching(probe.sites[reader]) as watch:
        time.sleep(BEFORE_SECONDS)
        known = set(hosts(probe.sites[reader]))
        before = _read(access)
        try:
            watch.mark("remote Secret rewritten")
            _write(access, {key: _rewritten(value) for key, value in before["data"].items()})
            reason = _look(watch, probe, reader, peer, known)
        finally:
            with uninterrupted(lambda: None):
                undone = _restore(access, before)
                watch.mark("remote Secret written back")
        undone = undone and _synced(access, SYNC_SECONDS)
    return Drill(NAME, title, reader, peer, watch.samples, tuple(watch.marks), reason, undone)


def _look(watch: Watch, probe: Probe, reader: str, peer: str, known: set[str]) -> str:
    rewritten = time.monotonic()
    if not _synced(probe.accesses[reader], SYNC_SECONDS):
        return f"istiod of {reader} is not synced with every cluster again after {SYNC_SECONDS} s"
    watch.mark("istiods synced")
    while time.monotonic() < rewritten + LOST_SECONDS:
        time.sleep(POLL_SECONDS)
    watch.mark("looked for lost endpoints")
    if lost := known - set(hosts(probe.sites[reader])):
        return f"the proxy of {reader}'s client lost {', '.join(sorted(lost))}"
    if not watch.wait("remote answer", lambda a: a.cluster == peer, time.monotonic(), BEFORE_SECONDS * 10):
        return f"{peer} does not answer the client of {reader} any more"
    return ""


def _synced(access: ClusterAccess, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = istiods(access)
        except UnreachableError:
            found = []
        if found and all(each.remotes and set(each.remotes.values()) == {SYNCED} for each in found):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _rewritten(value: str) -> str:
    return base64.b64encode(_plain(value) + REWRITTEN).decode()


def _plain(value: str) -> bytes:
    # A run that was killed may have left its mark.
    text = base64.b64decode(value)
    while text.endswith(REWRITTEN):
        text = text.removesuffix(REWRITTEN)
    return text


def _read(access: ClusterAccess) -> Any:
    with api_client(access) as api:
        secret = client.CoreV1Api(api).read_namespaced_secret(REMOTE_SECRET, NAMESPACE, _request_timeout=TIMEOUT)
        return api.sanitize_for_serialization(secret)


def _write(access: ClusterAccess, data: Mapping[str, str]) -> None:
    with api_client(access) as api:
        client.CoreV1Api(api).patch_namespaced_secret(
            REMOTE_SECRET, NAMESPACE, {"data": dict(data)}, _request_timeout=TIMEOUT
        )


def _restore(access: ClusterAccess, before: Any) -> bool:
    """Write back what was there, and whose the fields were: else they would stay this command's, not Pulumi's."""
    plain = {key: base64.b64encode(_plain(value)).decode() for key, value in before["data"].items()}
    _write(access, plain)
    owners = [{"op": "replace", "path": "/metadata/managedFields", "value": before["metadata"]["managedFields"]}]
    with api_client(access) as api:
        client.CoreV1Api(api).patch_namespaced_secret(REMOTE_SECRET, NAMESPACE, owners, _request_timeout=TIMEOUT)
    return bool(_read(access)["data"] == plain)
