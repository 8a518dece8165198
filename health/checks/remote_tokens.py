"""SM62x: whether the tokens by which istiods read other clusters are still good there."""

from collections.abc import Iterator
from datetime import timedelta

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.checks.remote_secrets import SECRET, by_reader, kubeconfigs
from health.examination import Examined
from health.observed import Observed, ObservedCluster, RemoteKubeconfig, Unknown

# Time for a person to look, and less than Istio's and Kubernetes' usual lifetimes.
NOTICE = timedelta(days=7)

EXPIRED = Cause(
    "SM627",
    "token of a remote kubeconfig has expired",
    "error",
    symptom="istiod still lists the cluster as synced, but learns of no new endpoint there: Unauthorized in its log; "
    "after a restart it does not read the cluster at all",
    cause="The token had an end, and nobody replaced it",
    cure="`pulumi up --refresh` writes the Secret anew; the tokens that this program makes have no end",
    source="https://github.com/istio/istio/issues/56358",
)
REVOKED = Cause(
    "SM628",
    "token of a remote kubeconfig was revoked",
    "error",
    symptom="istiod still lists the cluster as synced, but learns of no new endpoint there: Unauthorized in its log; "
    "after a restart it does not read the cluster at all",
    cause="The token is none of those that the read cluster has for this reader: its Secret or ServiceAccount was "
    "deleted or made anew there, and the reader's remote Secret was not",
    cure="`pulumi up --refresh` makes the token anew and writes it into the reader's remote Secret",
    source="https://github.com/istio/istio/issues/56358",
)
EXPIRING = Cause(
    "SM629",
    "token of a remote kubeconfig ends soon",
    "warning",
    symptom="Nothing yet",
    cause="The token has an end within 7 days",
    cure="`pulumi up --refresh`, or whatever rotates it, before that",
    source="https://github.com/istio/istio/issues/61773",
)

REMOTE_TOKENS = Check(
    "remote-tokens",
    "every reader's token is good in the cluster that it reads",
    (EXPIRED, REVOKED, EXPIRING),
    needs=("api-servers", "remote-secrets"),
)


def _remote_tokens(observed: Observed) -> Iterator[Result]:
    for reader, of_reader in by_reader(observed):
        if reason := unanswered(reader) or (reader.remote.reason if isinstance(reader.remote, Unknown) else ""):
            yield skipped(REMOTE_TOKENS, reason, reader.name)
            continue
        held = {} if isinstance(reader.remote, Unknown) else kubeconfigs(reader.remote)
        for link in of_reader:
            kubeconfig = held.get(link.peer.name)
            # remote-secrets says what is wrong with one that is not there or holds no token.
            if kubeconfig is not None and not kubeconfig.problem:
                yield _of_pair(observed, reader.name, link.peer.name, kubeconfig)


def _of_pair(observed: Observed, reader: str, peer: str, held: RemoteKubeconfig) -> Result:
    what = f"the token for {peer} in the Secret {SECRET}"
    left = held.expires - observed.at if held.expires else None
    if held.expires and left is not None and left <= timedelta():
        return found(REMOTE_TOKENS, EXPIRED, f"{what} ended at {held.expires:%Y-%m-%dT%H:%M:%SZ}", reader, peer)
    said = _of_peer(observed.clusters.get(peer), reader, peer, held)
    if said.cause is None and held.expires and left is not None and left <= NOTICE:
        ends = f"{what} ends at {held.expires:%Y-%m-%dT%H:%M:%SZ}, in {_span(left)}"
        return found(REMOTE_TOKENS, EXPIRING, ends, reader, peer)
    return said


def _of_peer(cluster: ObservedCluster | None, reader: str, peer: str, held: RemoteKubeconfig) -> Result:
    readers = Unknown(f"{peer} was not asked which tokens it has") if cluster is None else cluster.readers
    if isinstance(readers, Unknown) or not held.token:
        reason = readers.reason if isinstance(readers, Unknown) else f"the token for {peer} was not read"
        return skipped(REMOTE_TOKENS, (cluster and unanswered(cluster)) or reason, reader, peer)
    if same := [each for each in readers if each.token == held.token]:
        used = f", last used {same[0].last_used}" if same[0].last_used else ""
        return ok(REMOTE_TOKENS, reader, peer, f"Secret {same[0].secret} of {peer}{used}")
    if held.expires is not None:
        # No Secret holds such a token: the API server alone could say whether it is good.
        return skipped(
            REMOTE_TOKENS, f"the token for {peer} is one with an end, of which {peer} keeps no list", reader, peer
        )
    known = ", ".join(each.secret for each in readers if each.cluster == reader) or "none"
    message = f"the token for {peer} is none that {peer} has; its tokens of the reader {reader}: {known}"
    return found(REMOTE_TOKENS, REVOKED, message, reader, peer)


def _span(left: timedelta) -> str:
    hours = left / timedelta(hours=1)
    return (
        f"{left.days} days" if left.days >= 2 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    )


EXAMINED = (Examined(REMOTE_TOKENS, _remote_tokens),)
