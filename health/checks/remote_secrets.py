"""SM62x: the kubeconfigs by which istiods read other clusters, as the mesh declares them and as they stand there."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import groupby
from urllib.parse import urlsplit

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import Observed, ObservedCluster, RemoteKubeconfig, Unknown
from topology import Link, links
from topology.defaults import NAMESPACE, REMOTE_SECRET

SECRET = f"{NAMESPACE}/{REMOTE_SECRET}"
INSTALL = "https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/"

MISSING = Cause(
    "SM621",
    "remote Secret is missing",
    "error",
    symptom="All requests of this cluster are answered locally; Services that run only elsewhere answer 503",
    cause=f"The Secret {SECRET} with the label istio/multiCluster=true is not there, or empty: no istiod of this "
    "cluster reads another one",
    cure="`pulumi up --refresh` writes it anew; without the option Pulumi goes by its own state and sees no loss",
    source=INSTALL,
)
KEY_MISSING = Cause(
    "SM622",
    "remote Secret lacks a cluster",
    "error",
    symptom="This cluster never sends requests to one of the others",
    cause="The remote Secret has no key for a cluster that this one is declared to read; the key has to be that "
    "cluster's Istio name",
    cure="`pulumi up --refresh` writes it anew; without the option Pulumi goes by its own state and sees no loss",
    source=INSTALL,
)
EXTRA = Cause(
    "SM623",
    "istiod reads a cluster by what is not declared",
    "warning",
    symptom="Requests go to a cluster that should get none; or a new token of the mesh is not taken",
    cause="A remote Secret has a key too many, or another Secret with the label istio/multiCluster=true gives the same "
    "cluster: istiod follows the one that it saw first",
    cure="A key: `pulumi up --refresh`. Another Secret: `spanmesh adopt` takes it out and has istiod read the mesh's "
    "own at once; deleted by hand, istiod lets go of the cluster until it restarts",
    source="https://github.com/istio/istio/issues/36365",
)
STALE = Cause(
    "SM624",
    "remote kubeconfig leads to another API server than declared",
    "error",
    symptom="istiod does not read the cluster, or reads another one; endpoints there are old or missing",
    cause="The server of the remote kubeconfig is not the apiServer that the stack file declares: changed on one side "
    "only",
    cure="Correct apiServer in the stack file where that one is wrong; `pulumi up --refresh` writes the Secret anew",
    source=INSTALL,
)
LOOPBACK = Cause(
    "SM625",
    "remote kubeconfig leads to the reader itself",
    "error",
    symptom="istiod does not read the cluster: connection refused",
    cause="The server of the remote kubeconfig is localhost: right on the machine that wrote it, wrong in a pod of "
    "another cluster",
    cure="Give in `apiServer` the address at which other clusters reach this API server, then `pulumi up --refresh`",
    source=INSTALL,
)
UNUSABLE = Cause(
    "SM626",
    "istiod refuses a remote kubeconfig",
    "error",
    symptom="The cluster is not among those that `istioctl remote-clusters` lists",
    cause="istiod takes no kubeconfig that runs a program (exec), uses an auth provider or names files, unless "
    "PILOT_INSECURE_MULTICLUSTER_KUBECONFIG_OPTIONS lets it; nor one that is no kubeconfig",
    cure="Give the reader a token: `pulumi up --refresh` writes the Secret anew with one. Nothing of such a kubeconfig "
    "is run here either",
    source="https://istio.io/latest/docs/reference/commands/pilot-discovery/#envvars",
)
OTHER_CA = Cause(
    "SM620",
    "remote kubeconfig trusts another CA than the API server's",
    "error",
    symptom="istiod does not read the cluster: x509: certificate signed by unknown authority",
    cause="The cluster's CA was changed, or the cluster made anew, after the remote Secret was written; or something "
    "before the API server ends TLS",
    cure="`pulumi up --refresh` takes the CA of now; for an address that shows another certificate, give "
    "`apiServer.caCertificate`",
    source="https://kubernetes.io/docs/tasks/administer-cluster/certificates/",
)

REMOTE_SECRETS = Check(
    "remote-secrets",
    "every declared reader has a kubeconfig for each of its peers, to the declared API server, and no other",
    (MISSING, KEY_MISSING, EXTRA, STALE, LOOPBACK, UNUSABLE, OTHER_CA),
    needs=("api-servers",),
)


def by_reader(observed: Observed) -> Iterator[tuple[ObservedCluster, Sequence[Link]]]:
    """Each observed cluster that is declared to read others, with its links."""
    declared = sorted(links(observed.mesh), key=lambda link: link.reader.name)
    of = {name: list(group) for name, group in groupby(declared, key=lambda link: link.reader.name)}
    for name, cluster in observed.clusters.items():
        if name in of:
            yield cluster, of[name]


def kubeconfigs(remote: Sequence[RemoteKubeconfig]) -> Mapping[str, RemoteKubeconfig]:
    """Those of the mesh's own remote Secret, by Istio's name of the cluster that they lead to."""
    return {each.cluster: each for each in remote if each.secret == REMOTE_SECRET}


def _remote_secrets(observed: Observed) -> Iterator[Result]:
    readers = dict.fromkeys(observed.clusters, ()) | {c.name: tuple(of) for c, of in by_reader(observed)}
    for name, of_reader in readers.items():
        cluster = observed.clusters[name]
        if reason := unanswered(cluster):
            yield skipped(REMOTE_SECRETS, reason, name)
        elif isinstance(cluster.remote, Unknown):
            yield skipped(REMOTE_SECRETS, cluster.remote.reason, name)
        else:
            wrong = [*_of_links(observed, cluster.remote, of_reader), *_extra(cluster, cluster.remote, of_reader)]
            peers = ", ".join(link.peer.name for link in of_reader)
            yield from wrong or [ok(REMOTE_SECRETS, name, message=f"reads {peers}" if peers else "reads nobody")]


def _of_links(observed: Observed, remote: Sequence[RemoteKubeconfig], of_reader: Sequence[Link]) -> Iterator[Result]:
    held = kubeconfigs(remote)
    if of_reader and not held:
        peers = ", ".join(link.peer.name for link in of_reader)
        message = f"the Secret {SECRET} is not there or empty: no istiod here reads {peers}"
        yield found(REMOTE_SECRETS, MISSING, message, of_reader[0].reader.name)
        return
    for link in of_reader:
        kubeconfig = held.get(link.peer.name)
        if kubeconfig is None:
            message = f"the Secret {SECRET} has no key {link.peer.name}; its keys: {', '.join(sorted(held))}"
            yield found(REMOTE_SECRETS, KEY_MISSING, message, link.reader.name, link.peer.name)
        elif wrong := _of_kubeconfig(link, kubeconfig, observed.clusters.get(link.peer.name)):
            cause, message = wrong
            yield found(REMOTE_SECRETS, cause, message, link.reader.name, link.peer.name)


def _of_kubeconfig(link: Link, held: RemoteKubeconfig, peer: ObservedCluster | None) -> tuple[Cause, str] | None:
    what = f"key {held.cluster} of the Secret {SECRET}"
    if held.problem:
        return UNUSABLE, f"{what}: {held.problem}"
    if _is_loopback(held.server):
        return LOOPBACK, f"{what} leads to {held.server}: in a pod of {link.reader.name} that is the pod itself"
    if _normal(held.server) != _normal(link.server):
        return STALE, f"{what} leads to {held.server}; declared as apiServer of {link.peer.name} is {link.server}"
    # What the stack file gives as CA is not known here.
    if peer is None or isinstance(peer.authority, Unknown) or link.peer.api_server.ca_certificate is not None:
        return None
    if held.authority and peer.authority and not set(held.authority) & set(peer.authority):
        return OTHER_CA, (
            f"{what} trusts {_short(held.authority)}; the CA of {link.peer.name}'s API server is "
            f"{_short(peer.authority)}"
        )
    return None


def _extra(cluster: ObservedCluster, remote: Sequence[RemoteKubeconfig], of_reader: Sequence[Link]) -> Iterator[Result]:
    peers = {link.peer.name for link in of_reader}
    for name in sorted(kubeconfigs(remote).keys() - peers - {cluster.name}):
        message = f"the Secret {SECRET} has the key {name}, which {cluster.name} is not declared to read"
        yield found(REMOTE_SECRETS, EXTRA, message, cluster.name)
    others = {(f"{NAMESPACE}/{each.secret}", each.cluster) for each in remote if each.secret != REMOTE_SECRET}
    if not isinstance(cluster.istiods, Unknown):
        others |= {
            (each.secret, each.name)
            for istiod in cluster.istiods
            for each in istiod.remotes
            if each.secret not in ("", SECRET)
        }
    for secret, name in sorted(others):
        twice = f", as {SECRET} does" if name in peers else ", which is not declared"
        message = f"the Secret {secret} gives the istiods of {cluster.name} the cluster {name}{twice}"
        yield found(REMOTE_SECRETS, EXTRA, message, cluster.name)


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _normal(server: str) -> tuple[str, int, str]:
    """Host, port and path of a URL, as two ways to write one address have them alike."""
    parts = urlsplit(server)
    return (parts.hostname or "", parts.port or 443, parts.path.rstrip("/"))


def _short(fingerprints: Sequence[str]) -> str:
    return ", ".join(each[:16] for each in fingerprints)


EXAMINED = (Examined(REMOTE_SECRETS, _remote_secrets),)
