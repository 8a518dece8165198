"""SM61x: whether API servers and istiods are there at all; what everything else needs."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeVar

from health.check import Cause, Check, Result, found, ok, skipped
from health.examination import Examined
from health.observed import Istiod, IstiodSettings, Observed, ObservedCluster, Unknown
from topology.defaults import NAMESPACE

Known = TypeVar("Known")
MULTICLUSTER = "https://istio.io/latest/docs/ops/diagnostic-tools/multicluster"

SILENT = Cause(
    "SM611",
    "API server does not answer",
    "error",
    symptom="`kubectl` fails; new pods and endpoints of this cluster reach no other cluster, while what is connected "
    "goes on as it was",
    cause="The cluster's API server is down, or this machine may not reach its address",
    cure="Bring the API server back, or open its address to this machine. Running istiods keep what they had read; one "
    "that starts meanwhile gives this cluster up after 30 s",
    source="https://github.com/istio/istio/issues/30838",
)
REFUSED = Cause(
    "SM612",
    "API server refuses the kubeconfig",
    "error",
    symptom="`kubectl` says Unauthorized or Forbidden",
    cause="The credentials of the operator's kubeconfig have expired, were revoked, or belong to another cluster",
    cure="Fetch the kubeconfig anew; docs/verification-rights.yaml has the rights that are needed",
    source="https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
)
NO_ISTIOD = Cause(
    "SM613",
    "no istiod",
    "error",
    symptom="New pods get no sidecar, or one that never becomes ready; running proxies keep their last configuration",
    cause="No pod labelled app=istiod runs in istio-system: scaled to 0, deleted, or never installed",
    cure="`kubectl -n istio-system get deployment istiod`: scale it up; where it is gone, `pulumi up` puts it back",
    source="https://istio.io/latest/docs/ops/common-problems/injection/",
)
NOT_READY = Cause(
    "SM614",
    "istiod is not ready",
    "error",
    symptom="New pods wait for their proxies; changes of policy and endpoints are late or missing",
    cause="The pod does not start, or waits for clusters that it reads",
    cure="The reason is in the message; `kubectl -n istio-system describe pod` and its log say more",
    source="https://github.com/istio/istio/issues/30838",
)
MUTE = Cause(
    "SM615",
    "istiod does not answer its debug port",
    "warning",
    symptom="`istioctl proxy-status` and `istioctl remote-clusters` fail, and so does what is looked for there",
    cause="Port 8080 of a ready istiod cannot be reached by a port-forward, or ENABLE_DEBUG_ON_HTTP is false",
    cure="See that the user may create pods/portforward in istio-system (docs/verification-rights.yaml), and that "
    "ENABLE_DEBUG_ON_HTTP is not turned off",
    source="https://istio.io/latest/docs/reference/commands/pilot-discovery/#envvars",
)
FEWER = Cause(
    "SM616",
    "fewer istiods than wanted",
    "warning",
    symptom="Nothing yet; the loss of one more istiod leaves the cluster without",
    cause="The Deployment istiod wants more pods than are ready",
    cure="`kubectl -n istio-system get pods -l app=istiod` and the events of the missing one",
    source="https://istio.io/latest/docs/ops/best-practices/deployment/",
)

API_SERVERS = Check("api-servers", "every API server answers, and takes the kubeconfig", (SILENT, REFUSED))
ISTIODS = Check(
    "istiods", "every istiod is ready and answers", (NO_ISTIOD, NOT_READY, MUTE, FEWER), needs=("api-servers",)
)


def unanswered(cluster: ObservedCluster) -> str:
    """Why nothing is known of a cluster; empty where its API server answers."""
    if isinstance(cluster.kubernetes, Unknown):
        return f"the API server of {cluster.name} does not let itself be asked ({_refusal(cluster.kubernetes).code})"
    return ""


def known_facts(
    observed: Observed, check: Check, fact: Callable[[ObservedCluster], Known | Unknown]
) -> tuple[dict[str, Known], list[Result]]:
    """One fact of each cluster of which it is known, and a skipped result for each other one.

    Args:
        observed: what was seen.
        check: whose result is skipped.
        fact: the fact of a cluster.
    """
    known: dict[str, Known] = {}
    silent = []
    for name, cluster in observed.clusters.items():
        said = fact(cluster)
        if isinstance(said, Unknown):
            silent.append(skipped(check, unanswered(cluster) or said.reason, name))
        else:
            known[name] = said
    return known, silent


def _api_servers(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        said = cluster.kubernetes
        if not isinstance(said, Unknown):
            yield ok(API_SERVERS, name, message=f"Kubernetes {said}")
        else:
            yield found(API_SERVERS, _refusal(said), said.reason, name)


def _refusal(said: Unknown) -> Cause:
    return REFUSED if said.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else SILENT


def _istiods(observed: Observed) -> Iterator[Result]:
    for name, cluster in observed.clusters.items():
        if reason := unanswered(cluster):
            yield skipped(ISTIODS, reason, name)
        elif isinstance(cluster.istiods, Unknown):
            yield skipped(ISTIODS, cluster.istiods.reason, name)
        elif not cluster.istiods:
            yield found(ISTIODS, NO_ISTIOD, f"no pod of istiod runs in {NAMESPACE}{_wanted(cluster)}", name)
        else:
            yield from _of_cluster(name, cluster, cluster.istiods)


def _of_cluster(name: str, cluster: ObservedCluster, istiods: tuple[Istiod, ...]) -> Iterator[Result]:
    ready = [each for each in istiods if each.ready]
    wrong = False
    for each in istiods:
        if not each.ready:
            # While another one serves, a pod that starts is no failure of the cluster.
            cause = FEWER if ready else NOT_READY
            yield found(ISTIODS, cause, f"istiod pod {each.pod} is not ready{_because(each)}", name)
            wrong = True
        elif each.reason:
            yield found(ISTIODS, MUTE, f"istiod pod {each.pod} is ready but does not answer{_because(each)}", name)
            wrong = True
    settings = cluster.settings
    if isinstance(settings, IstiodSettings) and len(istiods) < settings.replicas:
        yield found(ISTIODS, FEWER, f"{len(istiods)} pods of istiod are there, {settings.replicas} are wanted", name)
        wrong = True
    if not wrong:
        versions = ", ".join(sorted({each.version for each in istiods if each.version}))
        yield ok(ISTIODS, name, message=f"{len(ready)} ready{f', Istio {versions}' if versions else ''}")


def _because(istiod: Istiod) -> str:
    return f": {istiod.reason}" if istiod.reason else ""


def _wanted(cluster: ObservedCluster) -> str:
    if cluster.settings is None:
        return ", and there is no Deployment istiod"
    if isinstance(cluster.settings, IstiodSettings):
        return f"; its Deployment wants {cluster.settings.replicas}"
    return ""


EXAMINED = (Examined(API_SERVERS, _api_servers), Examined(ISTIODS, _istiods))
