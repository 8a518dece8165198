"""One region's cluster as the host sees it through 127.0.0.1: whether it works, and putting objects into it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cluster_objects import DNS_DEPLOYMENT, DNS_NAMESPACE
from lab.commands import require_program, run
from lab.errors import LabError
from lab.network import NAMESPACES
from lab.plan import DNS_SERVICE_ADDRESS, NodePlan

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_REQUEST_SECONDS = 10.0
_POLL_SECONDS = 0.25
_DNS_QUESTION = "kubernetes.default.svc.cluster.local"


class Cluster:
    """One region's cluster.

    Args:
        name: what messages call it.
        kubeconfig: the operator's kubeconfig for it.
    """

    def __init__(self, name: str, kubeconfig: Path) -> None:
        # Half a second that commands without a cluster should not pay.
        from kubernetes import client, config  # noqa: PLC0415

        # A refused connection is what waiting for an API server looks like.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._name = name
        self._kubernetes = client
        configuration = client.Configuration()
        # 127.0.0.1 is not to be asked for through a proxy that the user's environment names.
        configuration.proxy = None
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        self._api: ApiClient = client.ApiClient(configuration)

    def not_ready_reason(self) -> str | None:
        """Why the API server is not ready, or None if it is."""
        try:
            self._get("/readyz")
            # Written a moment after ready; the controller manager ends at its start if it cannot read it.
            self._get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")
        except LabError as error:
            return str(error)
        return None

    def heartbeats(self) -> dict[str, datetime]:
        """When the kubelet of each node last said that it is alive.

        Raises:
            LabError: the API server does not answer.
        """
        leases = self._get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")["items"]
        return {each["metadata"]["name"]: datetime.fromisoformat(each["spec"]["renewTime"]) for each in leases}

    def node_reasons(self) -> dict[str, str | None]:
        """Name of each node that registered, and why it is not Ready, or None if it is.

        Raises:
            LabError: the API server does not answer.
        """
        reasons: dict[str, str | None] = {}
        for node in self._get("/api/v1/nodes")["items"]:
            ready = [each for each in node["status"].get("conditions", []) if each["type"] == "Ready"]
            healthy = bool(ready) and ready[0]["status"] == "True"
            reasons[node["metadata"]["name"]] = (
                None if healthy else (ready[0].get("message") or ready[0]["reason"] if ready else "not reported yet")
            )
        return reasons

    def dns_deployment_reason(self) -> str | None:
        """Why the DNS server is not available, as its pods say it, or None if it is."""
        status = self._get(f"/apis/apps/v1/namespaces/{DNS_NAMESPACE}/deployments/{DNS_DEPLOYMENT}")["status"]
        if status.get("availableReplicas"):
            return None
        pods = self._get(f"/api/v1/namespaces/{DNS_NAMESPACE}/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
        for pod in pods:
            for container in pod["status"].get("containerStatuses", []):
                waiting = container.get("state", {}).get("waiting")
                if waiting:
                    return f"pod {pod['metadata']['name']}: {waiting['reason']} {waiting.get('message', '')}".strip()
        return "no pod of it is ready yet"

    def set_pod_network(self, node: NodePlan) -> None:
        """Tell the cluster which pod addresses a node hands out, for those who read it from the Node."""
        path = f"/api/v1/nodes/{node.name}"
        if not self._get(path)["spec"].get("podCIDR"):
            network = str(node.pod_network)
            self._patch(path, {"spec": {"podCIDR": network, "podCIDRs": [network]}})

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Server-side apply; an object that is as wanted stays untouched.

        Raises:
            LabError: the API server refuses one.
        """
        from kubernetes.dynamic import DynamicClient  # noqa: PLC0415

        dynamic = DynamicClient(self._api)
        for each in objects:
            resource = dynamic.resources.get(api_version=each["apiVersion"], kind=each["kind"])
            meta = each["metadata"]
            try:
                dynamic.server_side_apply(
                    resource,
                    body=each,
                    name=meta["name"],
                    namespace=meta.get("namespace"),
                    field_manager="spanmesh-lab",
                    force_conflicts=True,
                )
            except self._kubernetes.ApiException as error:
                raise LabError(
                    f"{self._name}: {each['kind']} {meta['name']} refused: {error.reason}: {error.body}"
                ) from error

    def _get(self, path: str) -> Any:
        return self._call(path, "GET", None)

    def _patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._call(path, "PATCH", body)

    def _call(self, path: str, method: str, body: dict[str, Any] | None) -> Any:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            response = self._api.rest_client.pool_manager.request(
                method,
                self._api.configuration.host + path,
                headers={"Content-Type": "application/merge-patch+json"} if body is not None else {},
                body=json.dumps(body) if body is not None else None,
                timeout=_REQUEST_SECONDS,
                retries=False,
            )
        except (HTTPError, OSError) as error:
            raise LabError(f"{self._name}: API server does not answer: {error}") from error
        text = response.data.decode(errors="replace")
        if response.status >= 300:
            said = text[:300].strip().replace("\n", ", ")
            raise LabError(f"{self._name}: API server answers {path} with {response.status}: {said}")
        return json.loads(text) if text.startswith("{") else text


def dns_reason(namespace: str) -> str | None:
    """Why the cluster's DNS address does not answer on a node, or None if it does.

    Args:
        namespace: the node's network namespace.
    """
    enter = ["nsenter", f"--net={NAMESPACES / namespace}"]
    ask = [str(require_program("busybox")), "nslookup", "-type=a", _DNS_QUESTION, str(DNS_SERVICE_ADDRESS)]
    try:
        run([*enter, *ask], timeout=5)
    except LabError as error:
        return f"DNS at {DNS_SERVICE_ADDRESS}: {error}"
    return None


def wait_until(
    reason: Callable[[], str | None], *, seconds: float, what: str, stop: threading.Event | None = None
) -> None:
    """Wait until there is no more reason to wait.

    Args:
        reason: says why not yet; None ends the waiting.
        seconds: for how long at most.
        what: what is waited for, for the error message.
        stop: ends the waiting once it is set.

    Raises:
        LabError: it took too long, or was stopped; the message has the last reason.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = reason()
        if last is None:
            return
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not so within {seconds:.0f} s: {last}")
        if stop is not None and stop.is_set():
            raise LabError(f"{what}: no longer waited for: {last}")
        time.sleep(_POLL_SECONDS)
