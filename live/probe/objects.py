"""The objects of the probe in one cluster; all of them in a namespace of its own, so that removing that removes all."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from health.matrix import PROBE_ACCOUNT, PROBE_NAMESPACE
from live.policy.injection import selects
from live.probe import bootstrap
from topology import Cluster, Mesh
from topology.checks.istio import version
from topology.defaults import istio_of

NAMESPACE = PROBE_NAMESPACE
# The probe's Service, its ServiceAccount, and the pod that is server and client of the mesh.
PROBE = PROBE_ACCOUNT
# The pod without a sidecar.
OUTSIDE = "outside"
HOST = f"{PROBE}.{NAMESPACE}.svc"
LABELS = {"app.kubernetes.io/name": NAMESPACE, "app.kubernetes.io/managed-by": "spanmesh"}
# Who made the namespace, and until when it may be there.
OWNER = "spanmesh.io/probe"
# Not 0, which Istio's iptables rules leave to root, and not 1337, the sidecar's, which they let pass unseen.
USER = 65532
# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}
Json = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The process that made a namespace.

    Attributes:
        host: its machine.
        process: its id there.
        until: when it has ended at the latest.
    """

    host: str
    process: int
    until: datetime

    @classmethod
    def this(cls, seconds: float) -> "Owner":
        """This process, for so many seconds from now."""
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC) + timedelta(seconds=seconds))

    @classmethod
    def of(cls, namespace: Any) -> "Owner | None":
        """Who made a namespace, as it was read; None: not a probe of ours."""
        if (namespace.metadata.labels or {}).get("app.kubernetes.io/name") != LABELS["app.kubernetes.io/name"]:
            return None
        try:
            said = json.loads((namespace.metadata.annotations or {})[OWNER])
            return cls(str(said["host"]), int(said["process"]), datetime.fromisoformat(said["until"]))
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def text(self) -> str:
        """What stands in the annotation."""
        return json.dumps({"host": self.host, "process": self.process, "until": self.until.isoformat()})

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended."""
        if datetime.now(UTC) > self.until:
            return True
        return self.host == socket.gethostname() and (self.process == os.getpid() or not _runs(self.process))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def namespace(owner: Owner, injectors: Sequence[Mapping[str, Any]]) -> Json:
    """The namespace, labelled so that its pods are injected.

    Args:
        owner: who makes it.
        injectors: the MutatingWebhookConfigurations of the cluster; none: they are not known.
    """
    labels = {**LABELS, **injection(injectors)}
    return {"metadata": {"name": NAMESPACE, "labels": labels, "annotations": {OWNER: owner.text}}}


def injection(injectors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The label that has pods of a namespace injected by this mesh's istiod, of whatever revision it is."""
    default = {"istio-injection": "enabled"}
    ours = [each for each in injectors if (each["metadata"].get("labels") or {}).get("app") == "sidecar-injector"]
    for labels in [default, *({"istio.io/rev": each["metadata"]["labels"].get("istio.io/rev", "")} for each in ours)]:
        if any(selects(hook.get("namespaceSelector") or {}, labels) for each in ours for hook in each["webhooks"]):
            return labels
    return default


def account() -> Json:
    """The ServiceAccount, whose name stands in the certificates of the probe."""
    return {"metadata": {"name": PROBE, "labels": LABELS}, "automountServiceAccountToken": False}


def service() -> Json:
    """The Service that is the same in every cluster, and so one of the mesh."""
    ports = [{"name": "http", "port": bootstrap.SERVER_PORT, "targetPort": bootstrap.SERVER_PORT}]
    return {"metadata": {"name": PROBE, "labels": LABELS}, "spec": {"selector": {"app": PROBE}, "ports": ports}}


def sidecar() -> Json:
    """A Sidecar resource: of a large mesh the probe's proxy wants to know the probe only, or it starts late."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": PROBE, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"egress": [{"hosts": ["./*"]}]},
    }


def config(
    mesh: Mesh, cluster: Cluster, address: str, gateways: Mapping[str, Sequence[str]]
) -> tuple[Json, dict[int, tuple[str, str]]]:
    """The bootstraps, and by port of each tunnel of the pod outside the mesh where it leads.

    Args:
        mesh: the declared mesh.
        cluster: the cluster.
        address: IP address of its Service.
        gateways: by other cluster, the addresses of its east-west gateway.
    """
    host = f"{HOST}:{bootstrap.SERVER_PORT}"
    number = version(istio_of(mesh, cluster).version)
    istio = (number.major, number.minor) if number else (1, 0)
    outside, tunnels = bootstrap.outside(host, address, gateways)
    data = {
        "server.json": bootstrap.server(cluster.name),
        "client.json": bootstrap.client(host, address, istio),
        "outside.json": outside,
    }
    return {"metadata": {"name": PROBE, "labels": LABELS}, "data": data}, tunnels


def pods(mesh: Mesh, cluster: Cluster) -> list[Json]:
    """The pod of the mesh, server and client at once, and the one without a sidecar.

    Args:
        mesh: the declared mesh.
        cluster: the cluster.
    """
    image = image_of(mesh, cluster)
    ready = {
        "httpGet": {"path": "/", "port": bootstrap.SERVER_PORT},
        "periodSeconds": 1,
        "failureThreshold": 3,
    }
    server = {**_container("server", image), "readinessProbe": ready}
    inside = _pod(PROBE, [server, _container("client", image)])
    inside["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
    inside["metadata"]["annotations"] = {
        # Else kubelet's own plain text would be refused where mutual TLS is demanded.
        "sidecar.istio.io/rewriteAppHTTPProbers": "true",
        "sidecar.istio.io/proxyCPU": "10m",
        "sidecar.istio.io/proxyMemory": "64Mi",
    }
    outside = _pod(OUTSIDE, [_container("outside", image)])
    outside["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    return [inside, outside]


def image_of(mesh: Mesh, cluster: Cluster) -> str:
    """The image of the cluster's own proxies."""
    istio = istio_of(mesh, cluster)
    variant = (istio.values.get("global") or {}).get("variant")
    return f"{istio.hub}/proxyv2:{istio.version}{f'-{variant}' if variant else ''}"


def _pod(name: str, containers: list[Json]) -> Json:
    return {
        "metadata": {"name": name, "labels": {**LABELS, "app": name}},
        "spec": {
            "serviceAccountName": PROBE,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": containers,
            "volumes": [{"name": "bootstrap", "configMap": {"name": PROBE}}],
        },
    }


def _container(name: str, image: str) -> Json:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/local/bin/envoy"],
        "args": ["-c", f"/etc/probe/{name}.json", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
        "securityContext": RESTRICTED,
        "resources": RESOURCES,
        "volumeMounts": [{"name": "bootstrap", "mountPath": "/etc/probe", "readOnly": True}],
    }
