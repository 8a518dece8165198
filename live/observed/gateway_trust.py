"""What the proxies of the east-west gateway trust, whether or not an istiod is connected to them."""

from health.observed import ProxyTrust
from live.client import TIMEOUT
from live.observed.asked import Asked
from live.observed.gateway import SERVICE
from live.observed.proxies import trust
from live.pods.port import ENVOY_ADMIN, PodPortError, pod_http
from topology.defaults import NAMESPACE

# One that was left behind by a change of the root is mostly among the oldest.
PODS = 3


def read(asked: Asked) -> tuple[ProxyTrust, ...]:
    """What the oldest pods of the gateway trust; empty where there are none.

    Raises:
        PodPortError: there are some, and none answers.
    """
    selector = f"istio={SERVICE.removeprefix('istio-')}"
    pods = asked.core.list_namespaced_pod(NAMESPACE, label_selector=selector, _request_timeout=TIMEOUT).items
    running = [pod for pod in pods if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None]
    oldest = sorted(running, key=lambda pod: pod.metadata.creation_timestamp)[:PODS]
    seen: list[ProxyTrust] = []
    failures: list[PodPortError] = []
    for pod in oldest:
        try:
            with pod_http(asked.access, pod.metadata.name, NAMESPACE, ENVOY_ADMIN) as http:
                seen.append(trust(http, f"{pod.metadata.name}.{NAMESPACE}"))
        except PodPortError as error:
            failures.append(error)
    if failures and not seen:
        raise failures[0]
    return tuple(seen)
