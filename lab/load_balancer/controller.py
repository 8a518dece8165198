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
from lab.load_balancer.services import RefusedError, Wish, allocate, is_ours, read_wish, status_addresses
from lab.load_balancer.watching import Watched

_LOG = logging.getLogger(__name__)
_RESYNC_SECONDS = 15.0
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
        region: name of the region, for Events.
    """

    def __init__(self, api: client.ApiClient, pool: Sequence[IPv4Address], region: str) -> None:
        self._core = client.CoreV1Api(api)
        discovery = client.DiscoveryV1Api(api)
        self._pool = tuple(pool)
        self._region = region
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
            # Also without a change, for rules that somebody else took away.
            self._changed.wait(_RESYNC_SECONDS)
            time.sleep(_SETTLE_SECONDS)
            self._changed.clear()
            try:
                self._reconcile()
            except (LabError, ApiException, HTTPError, OSError) as error:
                _LOG.warning("will try again: %s", str(error).replace("\n", " ")[:500])
                time.sleep(1)
                self._changed.set()

    def _reconcile(self) -> None:
        services, nodes, slices = self._services.objects(), self._nodes.objects(), self._slices.objects()
        if services is None or nodes is None or slices is None:
            return
        wishes: dict[str, Wish] = {}
        refused: dict[str, RefusedError] = {}
        ours = [each for each in services if is_ours(each) and not each.metadata.deletion_timestamp]
        for service in ours:
            try:
                wishes[service.metadata.uid] = read_wish(service)
            except RefusedError as error:
                refused[service.metadata.uid] = error
        addresses, not_placed = allocate(wishes.values(), self._pool)
        refused.update(not_placed)
        balancers = [
            rules.Balancer(wishes[uid], address, _backends(wishes[uid], nodes, slices))
            for uid, address in sorted(addresses.items(), key=lambda item: item[1])
        ]
        rules.apply(balancers, self._pool)
        self._note_owners({balancer.address: balancer.wish for balancer in balancers})
        for service in services:
            self._publish(service, addresses.get(service.metadata.uid), refused.get(service.metadata.uid))

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

    def _publish(self, service: Any, address: IPv4Address | None, refusal: RefusedError | None) -> None:
        """Bring the Service's status and Events to what was decided."""
        held = status_addresses(service)
        wanted = (str(address),) if address is not None else ()
        foreign = not is_ours(service) and not any(IPv4Address(each) in self._pool for each in held if ":" not in each)
        if held != wanted and not foreign:
            ingress = [{"ip": each} for each in wanted] or None
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
                self._event(service.metadata, "Normal", "EnsuredLoadBalancer", f"Ensured load balancer on {address}")
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
    chosen = []
    hosts = _nodes_with_pods(wish, slices) if wish.local_only else None
    for node in nodes:
        ready = any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or ())
        if ready and (hosts is None or node.metadata.name in hosts):
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
