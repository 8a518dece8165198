"""SM610, SM617 to SM619: whether each istiod has read the clusters that it should, also after a rotation."""

from collections.abc import Iterator, Sequence

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import MULTICLUSTER, unanswered
from health.checks.remote_secrets import SECRET, by_reader
from health.examination import Examined
from health.observed import Istiod, Observed, ObservedCluster, Unknown
from topology import Link
from topology.checks.istio import LOSES_ENDPOINTS as FAULTY
from topology.checks.istio import version

SYNCED = "synced"
TIMEOUTS = "remote_cluster_sync_timeouts_total"

LOSES_ENDPOINTS = Cause(
    "SM617",
    "this istiod loses endpoints when a remote Secret changes",
    "warning",
    symptom="After a rotation of tokens, requests to other clusters fail until istiod is restarted",
    cause="Istio 1.30.0 to 1.30.3 takes the endpoints of a cluster away when its kubeconfig is replaced",
    cure="Update Istio to 1.30.4 or newer before anything rotates tokens; after one, restart istiod",
    source="https://github.com/istio/istio/issues/61043",
)
NOT_SYNCED = Cause(
    "SM618",
    "istiod does not read a cluster",
    "error",
    symptom="No endpoints of that cluster: requests stay local, or answer 503 where a Service runs only there",
    cause="istiod lists the cluster as syncing, timeout or closed: from its pods the API server there cannot be "
    "reached, shows a certificate that the kubeconfig does not trust, or refuses what istiod asks",
    cure="`kubectl -n istio-system logs deploy/istiod` says which; open the API server's address to the pods of "
    "istio-system in the reading cluster",
    source=MULTICLUSTER,
)
NOT_TAKEN = Cause(
    "SM610",
    "istiod has not taken a remote Secret",
    "error",
    symptom="`istioctl remote-clusters` does not list the cluster, although the Secret is right",
    cause="istiod lost the event of the Secret, or is stuck on an earlier version of it: seen here on Istio 1.32-dev, "
    "after a key was removed while istiod still waited for what an earlier change of it named",
    cure="Restart istiod: `kubectl -n istio-system rollout restart deployment/istiod`; Istio before 1.30.3: update",
    source="https://github.com/istio/istio/issues/60612",
)
REPLICA = Cause(
    "SM619",
    "one istiod lacks a cluster that another one reads",
    "error",
    symptom="Proxies of one cluster disagree: some send requests to the other cluster, some do not, and it changes "
    "when they reconnect",
    cause="An istiod that started while the cluster's API server did not answer became ready after 30 s "
    "(PILOT_REMOTE_CLUSTER_TIMEOUT) without it",
    cure="Once the API server answers from there the istiod catches up; where it does not, restart that pod: "
    "`kubectl -n istio-system delete pod`",
    source="https://github.com/istio/istio/issues/45992 and https://github.com/istio/istio/issues/38440",
)

REMOTE_SYNC = Check(
    "remote-sync",
    "every istiod has read every cluster that it is declared to read",
    (NOT_TAKEN, NOT_SYNCED, REPLICA),
    needs=("api-servers", "clocks", "remote-secrets", "remote-tokens"),
)
ROTATION = Check(
    "rotation-safe",
    "no istiod is of a version that loses endpoints in a rotation of tokens",
    (LOSES_ENDPOINTS,),
    needs=("api-servers", "istiods"),
)


def _remote_sync(observed: Observed) -> Iterator[Result]:
    for reader, of_reader in by_reader(observed):
        if reason := unanswered(reader):
            yield skipped(REMOTE_SYNC, reason, reader.name)
        elif isinstance(reader.istiods, Unknown):
            yield skipped(REMOTE_SYNC, reader.istiods.reason, reader.name)
        elif not reader.istiods:
            yield skipped(REMOTE_SYNC, "no istiod runs here", reader.name)
        else:
            for istiod in reader.istiods:
                if not _answers(istiod):
                    reason = istiod.reason or "it is not ready"
                    yield skipped(REMOTE_SYNC, f"istiod pod {istiod.pod} says nothing: {reason}", reader.name)
            answering = [istiod for istiod in reader.istiods if _answers(istiod)]
            if answering:
                for link in of_reader:
                    yield from _of_link(observed, reader, answering, link)


def _answers(istiod: Istiod) -> bool:
    """Whether it said what it reads: its own cluster is always among that."""
    return bool(istiod.remotes)


def _of_link(observed: Observed, reader: ObservedCluster, istiods: Sequence[Istiod], link: Link) -> Iterator[Result]:
    peer = link.peer.name
    said = {istiod.pod: _status(istiod, peer) for istiod in istiods}
    without = [istiod for istiod in istiods if said[istiod.pod] != SYNCED]
    if not without:
        number = len(istiods)
        yield ok(REMOTE_SYNC, reader.name, peer, f"{number}/{number} istiods synced")
    for istiod in without:
        status = said[istiod.pod]
        what = f"istiod pod {istiod.pod} {f'lists {peer} as {status}' if status else f'does not list {peer}'}"
        if len(without) < len(istiods):
            others = ", ".join(pod for pod in said if said[pod] == SYNCED)
            yield found(REMOTE_SYNC, REPLICA, f"{what}; {others} has it synced{_started(istiod)}", reader.name, peer)
        elif status:
            message = f"{what}{_started(istiod)}{_timeouts(istiod)}. {_likely(observed, link)}"
            yield found(REMOTE_SYNC, NOT_SYNCED, message, reader.name, peer)
        else:
            unread = isinstance(reader.remote, Unknown)
            names = f"whether the Secret {SECRET} names it was not seen" if unread else f"the Secret {SECRET} names it"
            yield found(REMOTE_SYNC, NOT_TAKEN, f"{what}{_started(istiod)}; {names}", reader.name, peer)


def _status(istiod: Istiod, peer: str) -> str:
    return next((each.status for each in istiod.remotes if each.name == peer), "")


def _started(istiod: Istiod) -> str:
    return f" (it started at {istiod.started:%Y-%m-%dT%H:%M:%SZ})" if istiod.started else ""


def _timeouts(istiod: Istiod) -> str:
    number = istiod.metrics.get(TIMEOUTS, 0)
    return f", and gave up waiting {number:.0f} times ({TIMEOUTS})" if number else ""


def _likely(observed: Observed, link: Link) -> str:
    """What is left as the reason; other checks have said it where Secret, token or clock are to blame."""
    peer = observed.clusters.get(link.peer.name)
    if peer is None or unanswered(peer):
        return f"Whether {link.server} answers at all was not seen from here"
    return (
        f"{link.peer.name}'s API server answers this machine, and what its kubeconfig says is right as far as it could "
        f"be read: so it is the way from the pods of istio-system in {link.reader.name} to {link.server}, or a right "
        "that the reader lacks"
    )


def _rotation(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        if isinstance(cluster.istiods, Unknown) or not cluster.istiods:
            reason = cluster.istiods.reason if isinstance(cluster.istiods, Unknown) else "no istiod runs here"
            yield skipped(ROTATION, unanswered(cluster) or reason, name)
            continue
        known = {each.version for each in cluster.istiods if each.version}
        faulty = sorted(text for text in known if _is_faulty(text))
        if faulty:
            yield found(ROTATION, LOSES_ENDPOINTS, f"istiod is of version {', '.join(faulty)}", name)
        elif known:
            yield ok(ROTATION, name, message=", ".join(sorted(known)))
        else:
            yield skipped(ROTATION, "no istiod says its version", name)


def _is_faulty(text: str) -> bool:
    parsed = version(text)
    return parsed is not None and FAULTY[0] <= parsed <= FAULTY[1]


EXAMINED = (Examined(REMOTE_SYNC, _remote_sync), Examined(ROTATION, _rotation))
