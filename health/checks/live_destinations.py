"""SM687 to SM689: what live routes and Gateways lead to, whoever applied them: Services, subsets, pods."""

from collections.abc import Iterator

from health.check import Cause, Check, Result, found, ok
from health.checks.live_policy import cause_of, known_policy, live_facts
from health.examination import Examined
from health.observed import Observed
from policy.checks import hosts, subsets

NO_SUBSET = cause_of(subsets.UNDEFINED, "SM687", "Requests of one route get 503, some or all of them")
NO_SERVICE = cause_of(hosts.NO_SERVICE, "SM688", "Requests of one route get 503, some or all of them")
DESTINATIONS = Check(
    "policy-destinations",
    "every live route leads to a Service, and to a subset, that is there",
    (NO_SUBSET, NO_SERVICE),
    needs=("api-servers",),
)
NO_POD = Cause(
    "SM689",
    "Gateway selects no pod",
    "warning",
    symptom="Nobody listens at the ports of a Gateway; of the cross-network Gateway, other networks reach nothing here",
    cause="No pod of the cluster has all the labels of the Gateway's `selector`",
    cure="Write the labels of the gateway's pods (`kubectl get pods -A --show-labels`), or delete the Gateway",
    source="https://istio.io/latest/docs/reference/config/analysis/ist0101/",
)
SELECTORS = Check("gateway-selectors", "every Gateway selects a pod", (NO_POD,), needs=("api-servers",))
CAUSES = {
    subsets.UNDEFINED.code: NO_SUBSET,
    hosts.NO_SERVICE.code: NO_SERVICE,
    hosts.OTHER_NAMESPACE.code: NO_SERVICE,
}


def _destinations(observed: Observed) -> Iterator[Result]:
    policies, silent = known_policy(observed, DESTINATIONS)
    yield from silent
    facts = live_facts(observed)
    wrong: dict[tuple[str, str], list[str]] = {}
    for finding in (*subsets.check(facts), *hosts.check(facts)):
        # Of DestinationRules for hosts that nobody has, nothing breaks.
        if finding.rule.code in CAUSES and not finding.subject.startswith("DestinationRule"):
            for name in finding.clusters:
                said = f"{finding.subject}: {finding.message}"
                lines = wrong.setdefault((name, finding.rule.code), [])
                if name in policies and said not in lines:
                    lines.append(said)
    for (name, code), lines in wrong.items():
        for line in lines:
            yield found(DESTINATIONS, CAUSES[code], line, name)
    for name in policies:
        if not any(lines for (cluster, _), lines in wrong.items() if cluster == name):
            yield ok(DESTINATIONS, name)


def _selectors(observed: Observed) -> Iterator[Result]:
    policies, silent = known_policy(observed, SELECTORS)
    yield from silent
    for name, policy in policies.items():
        for gateway, selector in policy.idle_gateways.items():
            yield found(SELECTORS, NO_POD, f"Gateway {gateway}: no pod has {selector}", name)
        if not policy.idle_gateways:
            yield ok(SELECTORS, name)


EXAMINED = (Examined(DESTINATIONS, _destinations), Examined(SELECTORS, _selectors))
