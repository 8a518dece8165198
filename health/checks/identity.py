"""SM65x: whether clusters are called what they are declared to be called, and whether their clocks agree."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median_low

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import unanswered
from health.examination import Examined
from health.observed import EastWestGateway, IstiodSettings, Observed, ObservedCluster, Unknown
from topology.defaults import NAMESPACE, NETWORK_LABEL

MODELS = "https://istio.io/latest/docs/ops/deployment/deployment-models/"
INSTALL = "https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/"
# istiod dates a certificate back by this much, and no more (istio: security/pkg/pki/util/generate_cert.go,
# ClockSkewGracePeriod): a proxy whose clock is further behind does not take it yet.
SKEW_BREAKS = timedelta(minutes=2)
# An API server tells its time in whole seconds.
SKEW_SHOWS = timedelta(seconds=10)

OTHER_NAME = Cause(
    "SM651",
    "istiod has another cluster name than declared",
    "error",
    symptom="Endpoints of this cluster appear twice or not at all; locality and `istioctl remote-clusters` name a "
    "cluster that nobody knows; new proxies are refused",
    cause="CLUSTER_ID of the Deployment istiod is not the name that the stack file declares and the other clusters' "
    "remote Secrets use",
    cure="`spanmesh drift` shows who changed it, `pulumi up` puts it right; proxies that started meanwhile need a "
    "restart",
    source=INSTALL,
)
SAME_NAME = Cause(
    "SM652",
    "two clusters have one name",
    "error",
    symptom="Each istiod takes the other cluster for its own and ignores its remote Secret's key: no endpoints of it",
    cause="CLUSTER_ID is the same in two clusters: values of one were copied to the other",
    cure="`pulumi up` puts the declared name back; then restart the workloads that started meanwhile",
    source="https://istio.io/latest/docs/ops/diagnostic-tools/multicluster",
)
NETWORK = Cause(
    "SM653",
    "istio-system has another network than declared",
    "error",
    symptom="Requests between clusters time out: proxies get raw pod addresses of another network instead of its "
    "gateway's, or are sent through a gateway on their own one",
    cause=f"The label {NETWORK_LABEL} of the namespace istio-system is missing, or not the stack file's network",
    cure=f"`pulumi up --refresh`, or `kubectl label namespace {NAMESPACE} --overwrite {NETWORK_LABEL}=` with the "
    "declared network",
    source="https://github.com/istio/istio/issues/49412",
)
GATEWAY_NETWORK = Cause(
    "SM654",
    "east-west gateway has another network than declared",
    "error",
    symptom="Requests between clusters time out: istiod knows no gateway for the network and gives out raw pod "
    "addresses of it",
    cause=f"The label {NETWORK_LABEL} of the gateway's Service is missing, or not the stack file's network",
    cure="`pulumi up --refresh` puts the label back",
    source="https://github.com/istio/istio/issues/28381",
)
MESH_ID = Cause(
    "SM655",
    "mesh id differs from the declared one",
    "warning",
    symptom="Metrics and traces of this cluster count as those of another mesh",
    cause="defaultConfig.meshId in the ConfigMap istio of istio-system is not the stack file's id",
    cure="`pulumi up` puts it right; proxies take it when they start",
    source=MODELS,
)
TRUST_DOMAIN = Cause(
    "SM656",
    "trust domain differs from the declared one",
    "error",
    symptom="AuthorizationPolicy that names principals refuses this cluster's workloads; mutual TLS to them fails "
    "where the client checks their names",
    cause="trustDomain in the ConfigMap istio of istio-system is not the stack file's trustDomain",
    cure="`pulumi up` puts it right; restart the workloads, whose certificates carry the old one",
    source="https://istio.io/latest/docs/tasks/security/authorization/authz-td-migration/",
)
SKEW = Cause(
    "SM657",
    "clocks of clusters disagree by more than certificates allow",
    "error",
    symptom="Proxies refuse fresh certificates of the other cluster: certificate is not yet valid, or has expired",
    cause="istiod dates a new certificate back by 2 minutes; a cluster whose clock is further behind does not take it",
    cure="Have the nodes of the named cluster follow a time server (chrony, systemd-timesyncd). What it signed "
    "meanwhile is dated wrongly: restart the workloads that SM639 names then; and CoreDNS, which keeps what it cached "
    "until the wrong time comes",
    source="https://github.com/istio/istio/blob/master/security/pkg/pki/util/generate_cert.go",
)
DRIFTING = Cause(
    "SM658",
    "clocks of clusters disagree",
    "warning",
    symptom="Logs of two clusters cannot be laid side by side; nothing fails yet",
    cause="The clock of one cluster's control plane is more than 10 s from the others'",
    cure="Have its nodes follow a time server (chrony, systemd-timesyncd)",
    source="https://kubernetes.io/docs/setup/production-environment/",
)
OWN_CLOCK = Cause(
    "SM659",
    "this machine's clock is wrong",
    "warning",
    symptom="What is said here of certificates and tokens that end may be wrong, and a token may be refused",
    cause="All clusters agree on a time from which this machine is more than 10 s away",
    cure="Have this machine follow a time server",
    source="https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
)

IDENTITY = Check(
    "identity",
    "every cluster has the name, network, mesh id and trust domain that are declared",
    (OTHER_NAME, SAME_NAME, NETWORK, GATEWAY_NETWORK, MESH_ID, TRUST_DOMAIN),
    needs=("api-servers",),
)
CLOCKS = Check("clocks", "the clocks of all clusters agree", (SKEW, DRIFTING, OWN_CLOCK), needs=("api-servers",))


def _identity(observed: Observed) -> Iterator[Result]:
    called: dict[str, str] = {}
    for name, cluster in observed.clusters.items():
        settings = cluster.settings
        if isinstance(settings, IstiodSettings):
            called.setdefault(settings.cluster, name)
    # The one that is declared so has the right to the name.
    called |= {name: name for name, c in observed.clusters.items() if _called(c) == name}
    for name, cluster in observed.clusters.items():
        if reason := unanswered(cluster):
            yield skipped(IDENTITY, reason, name)
            continue
        wrong = [*_of_istiod(observed, cluster, called), *_of_gateway(observed, cluster)]
        yield from wrong or [ok(IDENTITY, name, message=f"network {observed.mesh.cluster(name).network}")]


def _called(cluster: ObservedCluster) -> str | None:
    return cluster.settings.cluster if isinstance(cluster.settings, IstiodSettings) else None


def _of_istiod(observed: Observed, cluster: ObservedCluster, called: Mapping[str, str]) -> Iterator[Result]:
    name, settings, mesh = cluster.name, cluster.settings, observed.mesh
    if settings is None or isinstance(settings, Unknown):
        yield skipped(IDENTITY, settings.reason if settings else "there is no Deployment istiod", name)
        return
    if settings.cluster != name:
        other = called.get(settings.cluster, name)
        what = f"CLUSTER_ID of istiod in {name} is {settings.cluster or 'empty'}"
        if other != name:
            yield found(IDENTITY, SAME_NAME, f"{what}, and so is that of {other}", name)
        else:
            yield found(IDENTITY, OTHER_NAME, f"{what}; declared is {name}", name)
    network = mesh.cluster(name).network
    if settings.network != network:
        message = f"label {NETWORK_LABEL} of namespace {NAMESPACE} is {_label(settings.network)}; declared is {network}"
        yield found(IDENTITY, NETWORK, message, name, cure=_relabel(f"namespace {NAMESPACE}", network))
    if settings.mesh_id != mesh.id:
        yield found(IDENTITY, MESH_ID, f"mesh id is {settings.mesh_id or 'empty'}; declared is {mesh.id}", name)
    if settings.trust_domain != mesh.trust_domain:
        message = f"trust domain is {settings.trust_domain or 'empty'}; declared is {mesh.trust_domain}"
        yield found(IDENTITY, TRUST_DOMAIN, message, name)


def _of_gateway(observed: Observed, cluster: ObservedCluster) -> Iterator[Result]:
    gateway, network = cluster.gateway, observed.mesh.cluster(cluster.name).network
    if isinstance(gateway, EastWestGateway) and gateway.network != network:
        message = f"label {NETWORK_LABEL} of the east-west gateway's Service is {_label(gateway.network)}; declared is "
        yield found(IDENTITY, GATEWAY_NETWORK, message + network, cluster.name)


def _label(value: str | None) -> str:
    return value if value is not None else "missing"


def _relabel(what: str, network: str) -> str:
    return f"`pulumi up --refresh`, or `kubectl label {what} --overwrite {NETWORK_LABEL}={network}`"


def _clocks(observed: Observed) -> Iterator[Result]:
    ahead = {name: c.clock for name, c in observed.clusters.items() if not isinstance(c.clock, Unknown)}
    # This machine has a vote of its own: of two clusters the one that agrees with it is taken to be right.
    right = median_low([*ahead.values(), 0.0])
    for name, cluster in observed.clusters.items():
        if isinstance(cluster.clock, Unknown):
            yield skipped(CLOCKS, unanswered(cluster) or cluster.clock.reason, name)
            continue
        away = cluster.clock - right
        if abs(away) <= SKEW_SHOWS.total_seconds():
            yield ok(CLOCKS, name, message=f"within {abs(away):.1f} s")
            continue
        cause = SKEW if abs(away) > SKEW_BREAKS.total_seconds() else DRIFTING
        direction = "ahead of" if away > 0 else "behind"
        message = f"the clock of {name}'s API server is {_seconds(abs(away))} {direction} the others'"
        yield found(CLOCKS, cause, message, name)
    if len(ahead) > 1 and abs(right) > SKEW_SHOWS.total_seconds():
        direction = "behind" if right > 0 else "ahead of"
        yield found(CLOCKS, OWN_CLOCK, f"this machine's clock is {_seconds(abs(right))} {direction} the clusters'")


def _seconds(number: float) -> str:
    return f"{number:.0f} s" if number < 600 else str(timedelta(seconds=round(number)))


EXAMINED = (Examined(CLOCKS, _clocks), Examined(IDENTITY, _identity))
