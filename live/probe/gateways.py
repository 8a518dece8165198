"""The addresses of east-west gateways, as the clusters themselves say them now."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.observed.gateway import SERVICE
from live.reachability import UnreachableError, explained
from topology.defaults import NAMESPACE


def gateway_addresses(accesses: Mapping[str, ClusterAccess]) -> dict[str, tuple[str, ...]]:
    """By cluster, the addresses or host names of its east-west gateway; none where there are none, or no answer.

    Args:
        accesses: the clusters, by Istio's name.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        return dict(zip(accesses, pool.map(_addresses, accesses.values()), strict=True))


def _addresses(access: ClusterAccess) -> tuple[str, ...]:
    try:
        with explained(access, f"reading Service {SERVICE}"), api_client(access) as api:
            service = client.CoreV1Api(api).read_namespaced_service(SERVICE, NAMESPACE, _request_timeout=TIMEOUT)
    except UnreachableError:
        return ()
    given = [each.ip or each.hostname for each in service.status.load_balancer.ingress or ()]
    return tuple(address for address in given or service.spec.external_ips or () if address)
