"""The mesh of Istio's multi-primary, multi-network guide: two clusters, by istioctl and kubectl alone, with workloads.

https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/
"""

from collections.abc import Mapping
from typing import Any

import yaml

from tests import authority
from tests.lab.istioctl import Istioctl
from tests.lab.kubectl import Kubectl
from topology.defaults import NAMESPACE, NETWORK_LABEL

WORKLOADS = "shop"
GATEWAY = "istio-eastwestgateway"
# 15012 and 15017 are in Istio's sample too: they lead to istiod.
PORTS = {"status-port": 15021, "tls": 15443, "tls-istiod": 15012, "tls-webhook": 15017}


def install(
    istioctl: Istioctl, clusters: Mapping[str, Kubectl], servers: Mapping[str, str], values: Mapping[str, Any]
) -> str:
    """Install it, with a Service helloworld and a client in each cluster's namespace :data:`WORKLOADS`.

    Args:
        istioctl: of the version that is installed.
        clusters: the first is on network1, the second on network2.
        servers: by cluster, the URL of its API server for the other one's istiod.
        values: Helm values that the lab needs.

    Returns:
        The root's certificate, PEM.
    """
    root = authority.root("Root CA of the guide")
    for number, (name, kubectl) in enumerate(clusters.items(), start=1):
        network = f"network{number}"
        labels = {NETWORK_LABEL: network}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
        kubectl.apply(_cacerts(root, name))
        _install(istioctl, name, "control-plane", _control_plane(istioctl.version, name, network, values))
        _install(istioctl, name, "eastwest", _gateway(istioctl.version, network, values))
        kubectl.apply(CROSS_NETWORK)
    for name in clusters:
        for reader, kubectl in clusters.items():
            if reader != name:
                secret = istioctl.run(name, "create-remote-secret", f"--name={name}", f"--server={servers[name]}")
                kubectl("apply", "-f", "-", stdin=secret)
    for number, (name, kubectl) in enumerate(clusters.items(), start=1):
        kubectl.apply(*workloads(name, f"v{number}"))
    for kubectl in clusters.values():
        kubectl("rollout", "status", "-n", WORKLOADS, "deployment", "--timeout=90s")
    return root.pem


def remove_workloads(clusters: Mapping[str, Kubectl]) -> None:
    """Remove the namespace :data:`WORKLOADS`."""
    for kubectl in clusters.values():
        kubectl("delete", "namespace", WORKLOADS, "--ignore-not-found")


def _cacerts(root: authority.Authority, cluster: str) -> dict[str, Any]:
    intermediate = root.issue(f"Intermediate CA {cluster}", path_length=0)
    files = {
        "ca-cert.pem": intermediate.pem,
        "ca-key.pem": intermediate.key_pem,
        "root-cert.pem": root.pem,
        "cert-chain.pem": intermediate.pem + root.pem,
    }
    metadata = {"name": "cacerts", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files}


def _install(istioctl: Istioctl, cluster: str, name: str, spec: Mapping[str, Any]) -> None:
    # By its name istioctl knows what it has made, and deletes what is no more declared.
    document = {"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "metadata": {"name": name}}
    document["spec"] = spec
    istioctl.run(cluster, "install", "-y", "-f", "-", stdin=yaml.safe_dump(document))


def _control_plane(version: str, cluster: str, network: str, values: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"meshID": "mesh1", "multiCluster": {"clusterName": cluster}, "network": network}
    own = {key: value for key, value in values.items() if key != "meshConfig"}
    return {
        "profile": "minimal",
        "hub": "localhost/istio",
        "tag": version,
        "meshConfig": values["meshConfig"],
        "values": {**own, "global": {**values["global"], **settings}},
    }


def _gateway(version: str, network: str, values: Mapping[str, Any]) -> dict[str, Any]:
    labels = {"app": GATEWAY, "istio": "eastwestgateway", NETWORK_LABEL: network}
    kubernetes = {
        "env": [{"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": network}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "service": {"ports": [{"name": n, "port": p, "targetPort": p} for n, p in PORTS.items()]},
    }
    return {
        "profile": "empty",
        "hub": "localhost/istio",
        "tag": version,
        "components": {"ingressGateways": [{"name": GATEWAY, "label": labels, "enabled": True, "k8s": kubernetes}]},
        "values": {
            "gateways": {"istio-ingressgateway": {"injectionTemplate": "gateway"}},
            "global": {"network": network, "imagePullPolicy": "IfNotPresent"},
        },
    }


CROSS_NETWORK: dict[str, Any] = {
    "apiVersion": "networking.istio.io/v1alpha3",
    "kind": "Gateway",
    "metadata": {"name": "cross-network-gateway", "namespace": NAMESPACE},
    "spec": {
        "selector": {"istio": "eastwestgateway"},
        "servers": [
            {
                "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
                "tls": {"mode": "AUTO_PASSTHROUGH"},
                "hosts": ["*.local"],
            }
        ],
    },
}


def workloads(cluster: str, version: str) -> list[dict[str, Any]]:
    """Namespace, Service helloworld with two pods, and the client sleep."""
    hello = f'echo "Hello version: {version}, cluster: {cluster}, instance: $HOSTNAME" > /tmp/hello'
    labels = {"istio-injection": "enabled"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WORKLOADS, "labels": labels}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "helloworld", "namespace": WORKLOADS},
            "spec": {"selector": {"app": "helloworld"}, "ports": [{"name": "http", "port": 5000}]},
        },
        {
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "DestinationRule",
            "metadata": {"name": "helloworld", "namespace": WORKLOADS},
            "spec": {
                "host": f"helloworld.{WORKLOADS}.svc.cluster.local",
                "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
            },
        },
        _deployment("helloworld", 2, f"{hello} && exec busybox httpd -f -p 5000 -h /tmp"),
        _deployment("sleep", 1, "exec busybox sleep 2147483647"),
    ]


def _deployment(name: str, replicas: int, script: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": name,
        "image": "localhost/sample:1",
        "imagePullPolicy": "Never",
        "command": ["busybox", "sh", "-c", script],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": WORKLOADS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
            },
        },
    }
