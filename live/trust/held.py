"""What every istiod and every running proxy of a cluster signs by, shows and trusts: counted, not assumed."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from kubernetes import client

from health.observed import Certificate, ProxyTrust, Unknown
from health.trust_change import HeldTrust, IstiodSigning, signing_root
from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.observed.proxies import trust
from live.observed.trust import served_chain
from live.pods.port import ENVOY_ADMIN, PodPortError, pod_http
from live.pods.proxy_container import proxy_container, proxy_runs
from live.policy.api import PODS, Api
from live.reachability import UnreachableError, explained
from topology.defaults import ISTIOD_SELECTOR, NAMESPACE

AGENT = "PROXY_CONFIG_XDS_AGENT"
# Of one cluster; each answers within 50 ms, most of which its API server has.
AT_ONCE = 16
# A pod may end between the list and the question; then it is asked once more whether it is still there.
GONE = 404


@dataclass(frozen=True)
class _Proxy:
    """A running proxy; nothing else is kept of its pod."""

    pod: str
    namespace: str
    keeps_roots: bool

    @property
    def name(self) -> str:
        return f"{self.pod}.{self.namespace}"


def read_all_held(accesses: Mapping[str, ClusterAccess]) -> dict[str, HeldTrust | Unknown]:
    """What each cluster holds, asked at once; Unknown: its API server does not answer, with the reason and the cure.

    Args:
        accesses: the clusters, by Istio's name.
    """

    def read(access: ClusterAccess) -> HeldTrust | Unknown:
        try:
            return read_held(access)
        except UnreachableError as error:
            return Unknown(f"{error.cause}. {error.cure}", error.status)

    with ThreadPoolExecutor(max_workers=max(1, len(accesses))) as pool:
        return dict(zip(accesses, pool.map(read, accesses.values()), strict=True))


def read_held(access: ClusterAccess) -> HeldTrust:
    """Ask every istiod, and every running proxy: sidecars, native ones too, and gateways.

    Args:
        access: the cluster.

    Raises:
        UnreachableError: its API server does not answer, or forbids to list pods.
    """
    with explained(access, "listing pods"), api_client(access) as api:
        running = [each for pod in Api(api).list(PODS) for each in _running_proxy(pod)]
        istiods = _running_istiods(api)
    proxies, silent = _asked(access, running)
    fixed = frozenset(each.name for each in running if each.keeps_roots)
    return HeldTrust(_signing(access, istiods, proxies), proxies, silent, fixed)


def _running_proxy(pod: Mapping[str, Any]) -> Iterator[_Proxy]:
    if proxy_runs(pod):
        metadata, container = pod["metadata"], proxy_container(pod) or {}
        takes = any(each["name"] == AGENT and each.get("value") == "true" for each in container.get("env") or ())
        # One that is about to end needs no restart; until then it counts like every other.
        keeps = not takes and "deletionTimestamp" not in metadata
        yield _Proxy(metadata["name"], metadata["namespace"], keeps)


def _running_istiods(api: client.ApiClient) -> list[str]:
    pods = client.CoreV1Api(api).list_namespaced_pod(
        NAMESPACE, label_selector=ISTIOD_SELECTOR, _request_timeout=TIMEOUT
    )
    return [pod.metadata.name for pod in pods.items if pod.status.phase == "Running"]


def _asked(access: ClusterAccess, running: list[_Proxy]) -> tuple[tuple[ProxyTrust, ...], dict[str, str]]:
    """What they hold, and why some do not say."""
    held: list[ProxyTrust] = []
    silent: dict[str, str] = {}
    # Every proxy has the same few CAs: each is kept once.
    kept: dict[Certificate, Certificate] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix=f"held-{access.name}") as pool:
        for each, said in zip(running, pool.map(lambda one: _ask(access, one), running), strict=True):
            if isinstance(said, ProxyTrust):
                roots = tuple(kept.setdefault(root, root) for root in said.roots)
                above = tuple(kept.setdefault(one, one) for one in said.chain[1:])
                held.append(replace(said, roots=roots, chain=(*said.chain[:1], *above)))
            elif said:
                silent[each.name] = said
    return tuple(held), silent


def _ask(access: ClusterAccess, proxy: _Proxy) -> ProxyTrust | str:
    """What it holds, or why it does not say; empty: it has ended meanwhile."""
    try:
        with pod_http(access, proxy.pod, proxy.namespace, ENVOY_ADMIN) as http:
            return trust(http, proxy.name)
    except PodPortError as error:
        return "" if error.status == GONE or not _still_runs(access, proxy) else str(error)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"it gave what cannot be read: {type(error).__name__}: {error}"


def _still_runs(access: ClusterAccess, proxy: _Proxy) -> bool:
    try:
        with explained(access, "reading a pod"), api_client(access) as api:
            return any(_running_proxy(Api(api).get(PODS.path(proxy.namespace, proxy.pod))))
    except UnreachableError as error:
        return error.status != GONE


def _signing(
    access: ClusterAccess, istiods: list[str], proxies: tuple[ProxyTrust, ...]
) -> tuple[IstiodSigning, ...] | Unknown:
    roots = [root for proxy in proxies for root in proxy.roots]
    found: list[IstiodSigning] = []
    for pod in istiods:
        try:
            chain = served_chain(access, pod)
        except PodPortError as error:
            return Unknown(str(error), error.status)
        root = signing_root(chain, roots)
        if not root:
            return Unknown(f"istiod {pod} shows a chain of {len(chain)} certificates, of a root that is not known")
        # One that signs by a root of its own making shows its certificate alone (istio: security/pkg/pki/ca).
        found.append(IstiodSigning(pod, root, chain[1].fingerprint if len(chain) > 1 else root))
    return tuple(found)
