"""The east-west gateway: its Service, its pods, and what the cloud says where it has no address."""

from typing import Any

from kubernetes.client.exceptions import ApiException

from health.observed import EastWestGateway, GatewayPod
from live.client import TIMEOUT
from live.observed.asked import Asked
from live.pods.proxy_container import PROXY
from live.pods.readiness import is_ready, why_pod_not_ready
from live.upgrade.image import tag
from topology.defaults import NAMESPACE, NETWORK_LABEL

SERVICE = "istio-eastwestgateway"
NOT_FOUND = 404
EVENTS = 3


def read(asked: Asked) -> EastWestGateway | None:
    """The Service ``istio-eastwestgateway`` and the pods that it selects; None: there is none."""
    try:
        service = asked.core.read_namespaced_service(SERVICE, NAMESPACE, _request_timeout=TIMEOUT)
    except ApiException as error:
        if error.status == NOT_FOUND:
            return None
        raise
    given = [each.ip or each.hostname for each in service.status.load_balancer.ingress or ()]
    addresses = tuple(address for address in given or service.spec.external_ips or () if address)
    return EastWestGateway(
        type=service.spec.type,
        addresses=addresses,
        ports=tuple((port.name or "", port.port) for port in service.spec.ports or ()),
        network=(service.metadata.labels or {}).get(NETWORK_LABEL),
        source_ranges=tuple(service.spec.load_balancer_source_ranges or ()),
        pods=_pods(asked, service.spec.selector or {}),
        events=() if addresses else _warnings(asked, service),
    )


def _pods(asked: Asked, selector: dict[str, str]) -> tuple[GatewayPod, ...]:
    if not selector:
        return ()
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    pods = asked.core.list_namespaced_pod(NAMESPACE, label_selector=labels, _request_timeout=TIMEOUT).items
    return tuple(_pod(asked, pod) for pod in pods if pod.metadata.deletion_timestamp is None)


def _pod(asked: Asked, pod: Any) -> GatewayPod:
    ready = is_ready(pod)
    reason = "" if ready else "; ".join(why_pod_not_ready(asked.core, pod)) or "not ready"
    images = [c.image for c in pod.spec.containers if c.name == PROXY]
    version = tag(images[0]) if images else ""
    return GatewayPod(pod.metadata.name, ready, reason, pod.spec.node_name or "", version, proxy=bool(images))


def _warnings(asked: Asked, service: Any) -> tuple[str, ...]:
    events = asked.core.list_namespaced_event(
        NAMESPACE,
        field_selector=f"involvedObject.uid={service.metadata.uid},type=Warning",
        _request_timeout=TIMEOUT,
    ).items
    latest = {f"{event.reason}: {event.message}": None for event in events}
    return tuple(latest)[-EVENTS:]
