"""What an east-west gateway does with the server name that a client asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from envoy.cluster import Subset, subset_of
from envoy.endpoint import Endpoint, shares
from envoy.listener import Listener
from health.checks.request import NO_ENDPOINT, NO_SNI, UNHEALTHY
from health.walk.facts import Proxy, Service, Site, Unread, subset_labels
from health.walk.step import Step, broken, fine

PORT = 15443


@dataclass(frozen=True)
class Passed:
    """What a gateway does: the step to show, and the pods that it passes the connection on to, each workload once."""

    step: Step
    endpoints: tuple[Endpoint, ...] = ()


def passes(sni: str, proxy: Proxy, there: Site, here: Site) -> Passed:
    """Whether a gateway knows a server name, and where it passes it on to.

    Args:
        sni: as the client's proxy asks for it.
        proxy: of a pod of the gateway.
        there: the gateway's cluster.
        here: the client's cluster.
    """
    who, subset = f"gateway pod {proxy.pod}", subset_of(sni)
    listener = _listener(proxy)
    if listener is None:
        said = f"{who} has no listener at port {PORT}: no Gateway of AUTO_PASSTHROUGH selects it"
        cure = "`pulumi up` makes Gateway istio-system/cross-network-gateway again"
        return Passed(broken("gateway", there.name, NO_SNI, said, cure=cure))
    chain = listener.chain_of_sni(sni)
    if chain is None or not chain.cluster:
        said = f"{who} has no filter chain of {sni} (filter_chain_not_found): {_why(subset, there, here)}"
        declared, cure = _mirrored(subset, there, here)
        return Passed(broken("gateway", there.name, NO_SNI, said, declared=declared, cure=cure))
    cluster = proxy.config.clusters.get(chain.cluster)
    declared = there.declared(cluster.origin if cluster else None)
    endpoints = proxy.endpoints(chain.cluster)
    if not endpoints:
        said = f"{who} knows {sni}, and has no endpoint of it: {_nobody(subset, there)}"
        return Passed(broken("gateway", there.name, NO_ENDPOINT, said, declared=declared))
    taking = shares(endpoints)
    serving = [each for each in endpoints if each.healthy and each.priority in taking]
    lines = tuple(f"{e}: pod of {e.namespace}/{e.workload}, {_health(e)}" for e in endpoints)
    if not serving:
        said = f"{who} has {len(endpoints)} endpoints of {sni}, and none is healthy"
        return Passed(broken("gateway", there.name, UNHEALTHY, said, *lines, declared=declared))
    said = f"{who} passes {sni} on to {len(serving)} pod{'s' * (len(serving) != 1)}"
    once = {(each.namespace, each.workload or each.address): each for each in reversed(serving)}
    return Passed(fine("gateway", there.name, said, *lines, declared=declared), tuple(once.values()))


def _listener(proxy: Proxy) -> Listener | None:
    listeners = proxy.config.listeners.values()
    named = [each for each in listeners if each.port == PORT or each.name.endswith(f"_{PORT}")]
    return named[0] if named else None


def _health(endpoint: Endpoint) -> str:
    return ", ".join(endpoint.failing) or endpoint.eds_health.lower() or "healthy"


def _why(subset: Subset | None, there: Site, here: Site) -> str:
    if subset is None:
        return "it is no name that Istio gives"
    if isinstance(there.service, Unread):
        return there.service.reason
    if there.service is None:
        return f"{there.name} has no Service of {subset.host}"
    if there.service.port(subset.port) is None:
        return f"the Service in {there.name} has no port {subset.port}"
    rules = there.rules_for(subset.host)
    if subset.subset and subset_labels(rules, subset.subset) is None:
        said = f"{there.name} has no DestinationRule of {subset.host} with subset {subset.subset}"
        ours = [rule for rule in here.rules_for(subset.host) if subset_labels([rule], subset.subset) is not None]
        return said + "".join(f", {here.name} has: {rule}" for rule in ours)
    return "its istiod has not sent it (yet)"


def _mirrored(subset: Subset | None, there: Site, here: Site) -> tuple[tuple[str, ...], str]:
    """The rule of the client's cluster that has the subset, and how the serving cluster comes to it."""
    if subset is None or not subset.subset or subset_labels(there.rules_for(subset.host), subset.subset) is not None:
        return (), ""
    ours: Sequence[object] = [r for r in here.rules_for(subset.host) if subset_labels([r], subset.subset) is not None]
    cure = f"Declare {ours[0]} for {there.name} too: mirror the file to every cluster that serves" if ours else ""
    return tuple(map(str, ours)), cure


def _nobody(subset: Subset | None, there: Site) -> str:
    if subset is None or not isinstance(there.service, Service) or isinstance(there.pods, Unread):
        return "its istiod gave none"
    labels = subset_labels(there.rules_for(subset.host), subset.subset) if subset.subset else {}
    fit = [pod for pod in there.pods if pod.has(labels or {})]
    if not fit:
        wanted = ", ".join(f"{k}={v}" for k, v in {**there.service.selector, **(labels or {})}.items())
        return f"no pod in {there.name} has {wanted}"
    if not any(pod.ready for pod in fit):
        return f"no pod is ready ({', '.join(map(str, fit))})"
    if not any(pod.sidecar for pod in fit):
        return f"its pods have no sidecar ({', '.join(map(str, fit))})"
    return "its istiod gave none (yet)"
