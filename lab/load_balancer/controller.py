"""The controller: looks at all Services and nodes, and brings router, status and Events to what follows from them."""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from lab.errors import LabError
from lab.load_balancer import rules
from lab.load_balancer.cloud import Cloud, CloudFile, host_name
from lab.load_balancer.exposure import with_external_ips, with_node_ports
from lab.load_balancer.refusal import RefusedError
from lab.load_balancer.services import Wish, allocate, is_ours, published, read_wish, status_addresses
from lab.load_balancer.watching import Watched

_LOG = logging.getLogger(__name__)
_RESYNC_SECONDS = 15.0
_LOOK_SECONDS = 0.5
_SETTLE_SECONDS = 0.1
_SERVICE_LABEL = "kubernetes.io/service-name"
COMPONENT = "spanmesh-load-balancer"


class Controller:
    """Serves the Services of type LoadBalancer of one region, from the region's router.

    It keeps nothing of its own: which Service has which address stands in the Services' status, so it can be ended
    at any moment and started again.

    Args:
        api: client of the region's API server.
        pool: the region's public addresses for load balancers.
        router: the router's own public address.
        region: name of the region, for Events.
        cloud: says as those of which cloud they behave.
    """

    def __init__(
        self, api: client.ApiClient, pool: Sequence[IPv4Address], router: IPv4Address, region: str, cloud: CloudFile
    ) -> None:
        self._core = client.CoreV1Api(api)
        discovery = client.DiscoveryV1Api(api)
        self._pool = tuple(pool)
        self._router = router
        self._region = region
        self._cloud_file = cloud
        self._changed = threading.Event()
        self._services = Watched("services", self._core.list_service_for_all_namespaces, self._changed)
        self._nodes = Watched("nodes", self._core.list_node, self._changed)
        self._slices = Watched("endpoint slices", discovery.list_endpoint_slice_for_all_namespaces, self._changed)
        self._owners: dict[IPv4Address, Wish] = {}
        self._said: dict[str, str] = {}

    def run(self) -> None:
        """Work for ever."""
        for each in (self._services, self._nodes, self._slices):
            each.start()
        while True:
            self._wait_for_work()
            time.sleep(_SETTLE_SECONDS)
            self._changed.clear()
            try:
                self._reconcile()
            except (LabError, ApiException, HTTPError, OSError) as error:
                _LOG.warning("will try again: %s", str(error).replace("\n", " ")[:500])
                time.sleep(1)
                self._changed.set()

    def _wait_for_work(self) -> None:
        # Also without a change, for rules that somebody else took away.
        resync = time.monotonic() + _RESYNC_SECONDS
        while not self._changed.wait(_LOOK_SECONDS):
            if self._cloud_file.changed() or time.monotonic() > resync:
                return

    def _reconcile(self) -> None:
        cloud = self._cloud_file.read()
        services, nodes, slices = self._services.objects(), self._nodes.objects(), self._slices.objects()
        if services is None or nodes is None or slices is None:
            return
        wishes: dict[str, Wish] = {}
        refused: dict[str, RefusedError] = {}
        alive = [each for each in services if not each.metadata.deletion_timestamp]
        for service in (each for each in alive if is_ours(each, cloud)):
            try:
                wishes[service.metadata.uid] = read_wish(service, cloud)
            except RefusedError as error:
                refused[service.metadata.uid] = error
        held = {address for address in self._pool for wish in wishes.values() if str(address) in wish.held}
        exposed, not_exposed = with_external_ips(alive, (*self._pool, self._router), held)
        addresses, not_placed = allocate(wishes.values(), self._pool, {each.address: each.service for each in exposed})
        refused.update({**not_exposed, **not_placed})
        balancers = [
            rules.Balancer(wish.path, address, wish.ports, wish.sources, _backends(wish, nodes, slices))
            for uid, address in sorted(addresses.items(), key=lambda item: item[1])
            for wish in (wishes[uid],)
        ]
        if cloud.node_ports == "forwarded":
            exposed += with_node_ports(alive, self._router, _addresses_of_ready(nodes))
        rules.apply([*balancers, *exposed], self._pool)
        self._note_owners({address: wishes[uid] for uid, address in addresses.items()})
        for service in services:
            uid = service.metadata.uid
            self._publish(service, addresses.get(uid), refused.get(uid), cloud)

    def _note_owners(self, owners: dict[IPv4Address, Wish]) -> None:
        for address in {*owners, *self._owners}:
            before, after = self._owners.get(address), owners.get(address)
            if (before.uid if before else None) != (after.uid if after else None):
                rules.forget_connections(address)
                if before is not None:
                    _LOG.info("%s taken back from %s", address, before.path)
                    self._event(before, "Normal", "DeletedLoadBalancer", f"Address {address} taken back")
                if after is not None:
                    _LOG.info("%s given to %s", address, after.path)
        self._owners = owners

    def _publish(self, service: Any, address: IPv4Address | None, refusal: RefusedError | None, cloud: Cloud) -> None:
        """Bring the Service's status and Events to what was decided."""
        kind = cloud.address
        wanted: tuple[str, ...] = () if address is None else (str(address) if kind == "ip" else host_name(address),)
        in_pool = set(status_addresses(service)) & {str(each) for each in self._pool}
        if published(service) != wanted and (is_ours(service, cloud) or in_pool):
            ingress = [{kind: each} for each in wanted] or None
            try:
                self._core.patch_namespaced_service_status(
                    service.metadata.name,
                    service.metadata.namespace,
                    {"metadata": {"uid": service.metadata.uid}, "status": {"loadBalancer": {"ingress": ingress}}},
                    _request_timeout=(5, 10),
                )
            except ApiException as error:
                # 404: it went while we worked. 409: another one of its name. The watch will tell.
                if error.status not in (404, 409):
                    raise
                return
            if address is not None:
                self._event(service.metadata, "Normal", "EnsuredLoadBalancer", f"Ensured load balancer on {wanted[0]}")
        message = str(refusal) if refusal is not None else ""
        if message and self._said.get(service.metadata.uid) != message:
            _LOG.info("%s/%s refused: %s", service.metadata.namespace, service.metadata.name, message)
            self._event(service.metadata, "Warning", "SyncLoadBalancerFailed", message)
        self._said[service.metadata.uid] = message

    def _event(self, subject: Any, kind: str, reason: str, message: str) -> None:
        """Record an Event about a Service; one that cannot be recorded stops nothing."""
        now = datetime.now(UTC)
        event = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{subject.name}."),
            involved_object=client.V1ObjectReference(
                api_version="v1", kind="Service", name=subject.name, namespace=subject.namespace, uid=subject.uid
            ),
            type=kind,
            reason=reason,
            message=message,
            count=1,
            first_timestamp=now,
            last_timestamp=now,
            source=client.V1EventSource(component=COMPONENT, host=self._region),
            reporting_component=COMPONENT,
            reporting_instance=self._region,
        )
        try:
            self._core.create_namespaced_event(subject.namespace, event, _request_timeout=(5, 10))
        except (ApiException, HTTPError, OSError) as error:
            why = str(error).splitlines()[0]
            _LOG.info("event %s for %s/%s not recorded: %s", reason, subject.namespace, subject.name, why)


def _backends(wish: Wish, nodes: Sequence[Any], slices: Sequence[Any]) -> tuple[IPv4Address, ...]:
    """The addresses of the nodes that shall get a Service's traffic."""
    if not wish.local_only:
        return _addresses_of_ready(nodes)
    hosts = _nodes_with_pods(wish, slices)
    return _addresses_of_ready([each for each in nodes if each.metadata.name in hosts])


def _addresses_of_ready(nodes: Sequence[Any]) -> tuple[IPv4Address, ...]:
    chosen = []
    for node in nodes:
        if any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or ()):
            chosen += [each.address for each in node.status.addresses or () if each.type == "InternalIP"]
    return tuple(sorted(IPv4Address(each) for each in chosen if ":" not in each))


def _nodes_with_pods(wish: Wish, slices: Sequence[Any]) -> set[str]:
    return {
        endpoint.node_name
        for each in slices
        if each.metadata.namespace == wish.namespace and (each.metadata.labels or {}).get(_SERVICE_LABEL) == wish.name
        for endpoint in each.endpoints or ()
        if endpoint.node_name and endpoint.conditions and endpoint.conditions.ready is not False
    }
