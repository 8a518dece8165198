"""SM68x: Istio policy as the clusters hold it: as declared, where the clients are, and no harm to other networks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from health.check import Cause, Check, Result, found, ok, skipped
from health.checks.control_planes import known_facts
from health.examination import Examined
from health.live_policy import LivePolicy, PolicyDeviation
from health.observed import Observed, Unknown
from policy.checks import mtls
from policy.checks.facts import Facts
from policy.checks.held import Policy, route_hosts, rule_host
from policy.checks.reach import Reach
from policy.document import Document
from policy.finding import Rule
from policy.hosts import service_of
from policy.provenance import spec_hash
from policy.world import Live, Placed, World

NAMED = 5
MULTICLUSTER = "https://istio.io/latest/docs/ops/configuration/traffic-management/multicluster/"


def cause_of(rule: Rule, code: str, symptom: str) -> Cause:
    """A cause that declared policy is checked for too, before it is applied."""
    return Cause(code, rule.name, rule.severity, symptom, rule.effect, rule.cure, rule.source)


MISSING = Cause(
    "SM681",
    "declared policy is missing in a cluster",
    "error",
    symptom="Clients in one cluster ignore a route, a canary or a failover that clients in the others follow",
    cause="An object that the stack declares for this cluster is not there: deleted by hand, or never applied",
    cure="`pulumi up` makes it; `spanmesh drift` shows all of it",
    source="https://github.com/istio/istio/issues/33253",
)
CHANGED = Cause(
    "SM682",
    "declared policy was changed in a cluster",
    "warning",
    symptom="Clients in one cluster follow other weights, timeouts or subsets than those in the others",
    cause="Somebody or something changed the live object, or it was declared anew and not applied yet",
    cure="`pulumi up` puts it right; `spanmesh drift` shows the difference and who made it",
    source="https://github.com/istio/istio/issues/33253",
)
EXTRA = Cause(
    "SM683",
    "policy of this stack that it does not declare",
    "warning",
    symptom="Clients in one cluster follow policy that stands in no file",
    cause="A copied object kept the stack's label, or an update that should have deleted it was cut off",
    cure="`pulumi up` deletes it where the stack made it; else delete it by hand",
    source="https://github.com/istio/istio/issues/33253",
)
ONE_SIDED = Cause(
    "SM684",
    "policy in one cluster only",
    "warning",
    symptom="A VirtualService or DestinationRule works for clients in one cluster, and clients in the other ignore it",
    cause="istiod reads policy from its own cluster only, and this object, which is not of the stack, is not, or "
    "is different, in another cluster that has the Service in the mesh",
    cure="Declare it in the stack (`policies:`), which mirrors it; or apply it in every cluster that has clients",
    source="https://github.com/istio/istio/issues/41871",
)
TLS_MODE = cause_of(
    mtls.TLS_MODE,
    "SM685",
    "Clients use endpoints of their own network only, or get 503 `no healthy upstream`: no error",
)
PLAIN = cause_of(
    mtls.DISABLED, "SM686", "Clients on other networks get no answer of these pods, whose own network reaches them"
)

IN_STEP = Check(
    "policy-in-step",
    "every cluster holds the declared policy, as declared",
    (MISSING, CHANGED, EXTRA),
    needs=("api-servers",),
)
MIRRORED = Check(
    "policy-mirrored",
    "routes and rules that are not of the stack are the same in every cluster that has the Service",
    (ONE_SIDED,),
    needs=("api-servers",),
)
MUTUAL_TLS = Check(
    "policy-tls",
    "no live policy takes endpoints on other networks away by its TLS mode",
    (TLS_MODE, PLAIN),
    needs=("api-servers",),
)
STATES = {"missing": MISSING, "different": CHANGED, "extra": EXTRA}
CAUSES = {mtls.TLS_MODE.code: TLS_MODE, mtls.DISABLED.code: PLAIN}


def known_policy(observed: Observed, check: Check) -> tuple[dict[str, LivePolicy], list[Result]]:
    """The policy of each cluster, and a skipped result for each of which it is not known."""
    return known_facts(observed, check, lambda cluster: cluster.policy)


def _in_step(observed: Observed) -> Iterator[Result]:
    told, silent = known_policy(observed, IN_STEP)
    yield from silent
    for name, policy in told.items():
        if policy.compared is None:
            yield skipped(IN_STEP, "what the stack declares was not compared", name)
        elif not policy.deviations:
            yield ok(IN_STEP, name, message=f"{policy.compared} objects")
        for each in policy.deviations:
            fields = f": {', '.join(each.fields[:NAMED])}" if each.fields else ""
            message = f"{each.subject} ({each.source}) is {_word(each)}{fields}"
            yield found(IN_STEP, STATES[each.state], message, name, cure=each.cure)


def _word(each: PolicyDeviation) -> str:
    return {"missing": "not there", "different": "not as declared", "extra": "not declared"}[each.state]


@dataclass(frozen=True)
class _Object:
    """An object that is for one Service, where it is."""

    cluster: str
    document: Document
    own: bool


def _mirrored(observed: Observed) -> Iterator[Result]:
    told, silent = known_policy(observed, MIRRORED)
    yield from silent
    facts = live_facts(observed)
    wrong: dict[tuple[str, str], list[str]] = {}
    for (_, host), objects in _by_host(told).items():
        if {o.cluster for o in objects} == told.keys() and len({(o.document.identity, _spec(o)) for o in objects}) == 1:
            continue
        for object_, other, how in _one_sided(facts, host, objects, told):
            said = f"{object_.document} for {host} {how} {other}"
            lines = wrong.setdefault((object_.cluster, other), [])
            if said not in lines:
                lines.append(said)
    for (name, other), lines in wrong.items():
        more = f"; and {len(lines) - NAMED} objects more" if len(lines) > NAMED else ""
        yield found(MIRRORED, ONE_SIDED, "; ".join(lines[:NAMED]) + more, name, other)
    for name in told:
        if not any(name in pair for pair in wrong):
            yield ok(MIRRORED, name)


def _by_host(told: Mapping[str, LivePolicy]) -> dict[tuple[str, str], list[_Object]]:
    """By kind and host, the objects of all clusters."""
    by_host: dict[tuple[str, str], list[_Object]] = {}
    for name, policy in told.items():
        for body in policy.objects:
            document = Document("", 0, body)
            own = f"{document}" in policy.own
            for host in _hosts(document):
                by_host.setdefault((document.kind, host), []).append(_Object(name, document, own))
    return by_host


def _hosts(document: Document) -> list[str]:
    """Services that requests of sidecars are routed or shaped for; none of other objects."""
    found = route_hosts(document) if document.kind == "VirtualService" else []
    found += [rule_host(document)] if document.kind == "DestinationRule" else []
    return [host for host in found if service_of(host)]


def _one_sided(
    facts: Facts, host: str, objects: list[_Object], told: Mapping[str, LivePolicy]
) -> Iterator[tuple[_Object, str, str]]:
    name = service_of(host)
    for each in objects if name else ():
        if each.own or each.document.spec.get("workloadSelector"):
            continue
        for other in facts.visible[each.cluster]:
            # Where the Service is in the mesh of both, both have clients of it, as far as can be told.
            if other not in told or not all(_meshed(facts, c, name) for c in (each.cluster, other)):
                continue
            theirs = [o for o in objects if o.cluster == other]
            same = [o for o in theirs if o.document.identity == each.document.identity]
            if not theirs:
                yield each, other, "is not in"
            elif same and each.cluster < other and _spec(same[0]) != _spec(each):
                yield each, other, "is different in"


def _spec(each: _Object) -> str:
    return spec_hash(each.document.body)


def _meshed(facts: Facts, cluster: str, name: tuple[str, str] | None) -> bool:
    live = facts.world.live.get(cluster)
    return (
        live is not None
        and name is not None
        and bool(live.namespaces.get(name[0]))
        and cluster in facts.services(cluster, name)
    )


def _mutual_tls(observed: Observed) -> Iterator[Result]:
    told, silent = known_policy(observed, MUTUAL_TLS)
    yield from silent
    facts = live_facts(observed)
    wrong = set()
    for finding in mtls.check(Reach(facts), Policy(facts)):
        cause = CAUSES.get(finding.rule.code)
        for name in finding.clusters if cause else ():
            if cause and name in told:
                wrong.add(name)
                yield found(MUTUAL_TLS, cause, f"{finding.subject}: {finding.message}", name)
    for name in told:
        if name not in wrong:
            yield ok(MUTUAL_TLS, name)


def live_facts(observed: Observed) -> Facts:
    """What policy is checked against, with all that is live as if it were declared."""
    live: dict[str, Live] = {}
    placed: list[Placed] = []
    for name, cluster in observed.clusters.items():
        if isinstance(cluster.policy, Unknown) or isinstance(cluster.services, Unknown):
            continue
        namespaces = {} if isinstance(cluster.namespaces, Unknown) else cluster.namespaces
        live[name] = Live(services=cluster.services, pods=cluster.policy.pods, namespaces=namespaces)
        placed += [Placed(document, (name,)) for document in _in_force(cluster.policy)]
    return Facts(World(observed.mesh, tuple(placed), live))


def _in_force(policy: LivePolicy) -> Iterator[Document]:
    """The objects of one cluster, DestinationRules without a trafficPolicy that Istio does not follow.

    Of several for one host the oldest one's counts; subsets of all do.
    https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services
    """
    ruled: set[tuple[str, str]] = set()
    for body in sorted(policy.objects, key=lambda body: str(body["metadata"].get("creationTimestamp") or "")):
        document = Document("", 0, body)
        if document.kind == "DestinationRule" and "trafficPolicy" in document.spec:
            key = document.namespace, rule_host(document)
            if key in ruled:
                kept = {name: value for name, value in document.spec.items() if name != "trafficPolicy"}
                document = Document("", 0, {**body, "spec": kept})
            ruled.add(key)
        yield document


EXAMINED = (Examined(IN_STEP, _in_step), Examined(MIRRORED, _mirrored), Examined(MUTUAL_TLS, _mutual_tls))
