"""What one request needs to know of a cluster: the Service, its pods, policy, gateways, and the proxies themselves."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from envoy.access_log import LogLine, read_log
from envoy.config_dump import read_config_dump
from envoy.endpoint import read_hosts
from health.walk.facts import Pod, Policy, Port, Proxy, Service, Site, Unread
from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.pods.log import pod_log
from live.pods.port import ENVOY_ADMIN, PodPortError, pod_http
from live.pods.proxy_container import PROXY, proxy_container
from live.policy.api import PODS, SERVICES, Api, Kind
from live.policy.contents import is_ready
from live.reachability import UnreachableError, explained
from topology.defaults import NAMESPACE, NETWORK_LABEL

T = TypeVar("T")
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
CALLS = 4
POLICY = (
    Kind("networking.istio.io", "v1", "VirtualService", "virtualservices"),
    Kind("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    Kind("networking.istio.io", "v1", "Sidecar", "sidecars"),
    Kind("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
    Kind("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
    Kind("security.istio.io", "v1", "RequestAuthentication", "requestauthentications"),
    Kind("security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"),
)


@dataclass(frozen=True)
class GatewayService:
    """Service of an east-west gateway: where others reach it, and its pods."""

    cluster: str
    network: str
    addresses: tuple[str, ...]
    pods: tuple[Pod, ...]


class ClusterReader:
    """Reads one cluster; what was read once is not read again.

    Args:
        access: the cluster.
        network: the network that it is declared on.
        api: an open client of it.
    """

    def __init__(self, access: ClusterAccess, network: str, api: client.ApiClient) -> None:
        self.access, self.network = access, network
        self._core, self._api = client.CoreV1Api(api), Api(api)
        self._policies: dict[tuple[str, ...], tuple[Policy, ...] | Unread] = {}
        self._proxies: dict[tuple[str, str], Proxy | Unread] = {}
        self._sites: dict[tuple[str, ...], Site] = {}

    @property
    def name(self) -> str:
        """Istio's name of the cluster."""
        return self.access.name

    def site(self, namespace: str, name: str, also: tuple[str, ...]) -> Site:
        """The cluster, as far as a request to a Service has to do with it.

        Args:
            namespace: of the Service.
            name: its name.
            also: namespaces whose policy counts besides.
        """
        key = (namespace, name, *also)
        if key not in self._sites:
            self._sites[key] = self._site(namespace, name, also)
        return self._sites[key]

    def _site(self, namespace: str, name: str, also: tuple[str, ...]) -> Site:
        service = self._told(f"reading Service {namespace}/{name}", lambda: self._service(namespace, name))
        pods: tuple[Pod, ...] | Unread = ()
        if isinstance(service, Unread):
            pods = service
        elif service is not None and service.selector:
            chosen = ",".join(f"{key}={value}" for key, value in service.selector.items())
            what = f"listing pods of {namespace}"
            pods = self._told(what, lambda: tuple(map(self._pod, self._api.list(PODS, namespace, chosen))))
        policies = pods if isinstance(pods, Unread) else self.policies((namespace, *also))
        return Site(self.name, self.network, service, pods, policies, NAMESPACE)

    def policies(self, namespaces: tuple[str, ...]) -> tuple[Policy, ...] | Unread:
        """The policy of some namespaces, and of the root namespace."""
        wanted = tuple(sorted({*namespaces, NAMESPACE}))
        if wanted not in self._policies:
            self._policies[wanted] = self._told(
                f"listing policy of {', '.join(wanted)}", lambda: tuple(self._listed(wanted))
            )
        return self._policies[wanted]

    def pods(self, namespace: str) -> tuple[Pod, ...]:
        """All pods of a namespace.

        Raises:
            UnreachableError: the API server does not answer, or refuses it.
        """
        with explained(self.access, f"listing pods of {namespace}"):
            return tuple(map(self._pod, self._api.list(PODS, namespace)))

    def pod_of(self, address: str) -> Pod | Unread | None:
        """The running pod of an IP address; None where there is none."""
        query = {"fieldSelector": f"status.podIP={address},status.phase=Running"}
        items = self._told("listing pods", lambda: self._api.get("/api/v1/pods", query)["items"])
        if isinstance(items, Unread):
            return items
        return self._pod(items[0]) if items else None

    def gateways(self) -> tuple[GatewayService, ...] | Unread:
        """Its gateways to other networks: Services with the label of a network, as istiod finds them."""
        return self._told("listing Services", lambda: tuple(self._gateways()))

    def proxy(self, pod: Pod) -> Proxy | Unread:
        """A pod's proxy, asked at its admin port."""
        key = (pod.namespace, pod.name)
        if key not in self._proxies:
            self._proxies[key] = self._proxy(pod)
        return self._proxies[key]

    def log(self, pod: Pod, seconds: int) -> list[LogLine] | Unread:
        """The lines of the access log of a pod's proxy, of the last seconds."""
        seen = client.V1Pod(metadata=client.V1ObjectMeta(name=pod.name, namespace=pod.namespace))
        what = f"reading the log of pod {pod}"
        return self._told(what, lambda: list(read_log(pod_log(self._core, seen, PROXY, since_seconds=seconds))))

    def _told(self, what: str, read: Callable[[], T]) -> T | Unread:
        try:
            with explained(self.access, what):
                return read()
        except UnreachableError as error:
            return Unread(str(error))

    def _service(self, namespace: str, name: str) -> Service | None:
        try:
            item = self._api.get(SERVICES.path(namespace, name))
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return _service(item)

    def _listed(self, namespaces: tuple[str, ...]) -> Iterator[Policy]:
        wanted = [(kind, namespace) for kind in POLICY for namespace in namespaces]
        with ThreadPoolExecutor(max_workers=CALLS) as pool:
            for items in pool.map(lambda each: self._of(*each), wanted):
                yield from map(Policy.of, items)

    def _of(self, kind: Kind, namespace: str) -> list[dict[str, Any]]:
        try:
            return list(self._api.list(kind, namespace))
        except ApiException as error:
            if error.status == 404:
                return []  # A version of Istio that does not serve it.
            raise

    def _gateways(self) -> Iterator[GatewayService]:
        for item in self._api.list(SERVICES, selector=NETWORK_LABEL):
            spec, metadata = item["spec"], item["metadata"]
            ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            addresses = [str(each.get("ip") or each.get("hostname")) for each in ingress]
            chosen = ",".join(f"{key}={value}" for key, value in (spec.get("selector") or {}).items())
            pods = map(self._pod, self._api.list(PODS, metadata["namespace"], chosen)) if chosen else ()
            running = tuple(sorted(pods, key=lambda pod: not pod.ready))
            network = metadata["labels"][NETWORK_LABEL]
            yield GatewayService(self.name, network, (*addresses, *(spec.get("externalIPs") or ())), running)

    def _proxy(self, pod: Pod) -> Proxy | Unread:
        try:
            with pod_http(self.access, pod.name, pod.namespace, ENVOY_ADMIN) as http:
                config = read_config_dump(http.json("/config_dump?include_eds"))
                return Proxy(pod, config, read_hosts(http.json("/clusters?format=json")))
        except PodPortError as error:
            return Unread(f"{error}. The user has to be allowed to create pods/portforward in {pod.namespace}")

    def _pod(self, item: Mapping[str, Any]) -> Pod:
        metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
        default = (metadata.get("annotations") or {}).get(DEFAULT_CONTAINER)
        own = [c["name"] for c in spec.get("containers") or () if c["name"] != PROXY]
        owners = metadata.get("ownerReferences") or [{}]
        return Pod(
            cluster=self.name,
            namespace=metadata["namespace"],
            name=metadata["name"],
            address=status.get("podIP") or "",
            labels=metadata.get("labels") or {},
            ready=is_ready(item),
            sidecar=proxy_container(item) is not None,
            containers=tuple(sorted(own, key=lambda each: each != default)),
            account=spec.get("serviceAccountName") or "default",
            owner=f"{owners[0].get('kind', '')}/{owners[0].get('name', '')}",
        )


def _service(item: Mapping[str, Any]) -> Service:
    spec = item.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return Service(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        addresses=tuple(address for address in addresses if address and address != "None"),
        ports=tuple(
            Port(port.get("name") or "", port["port"], port.get("targetPort") or port["port"])
            for port in spec.get("ports") or ()
        ),
        selector=spec.get("selector") or {},
    )


@contextmanager
def cluster_reader(access: ClusterAccess, network: str) -> Iterator[ClusterReader]:
    """A reader of one cluster, closed afterwards.

    Args:
        access: the cluster.
        network: the network that it is declared on.
    """
    with api_client(access) as api:
        yield ClusterReader(access, network, api)
