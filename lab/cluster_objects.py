"""The Kubernetes objects that a region's cluster has from the beginning: its DNS server, and rights."""

from typing import Any

from lab.plan import BALANCER_ZONE, DNS_SERVICE_ADDRESS

DNS_DEPLOYMENT = "coredns"
DNS_NAMESPACE = "kube-system"

# A load balancer's host name holds its address, so every region answers it without knowing of the load balancer.
# Other names outside the cluster do not exist, and saying so at once keeps resolvers from asking again and again.
_COREFILE = """cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    health {
        lameduck 2s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    cache 5
    loadbalance
    reload
}
BALANCER_ZONE:53 {
    errors
    template IN A {
        match "^lb-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(?P<c>[0-9]+)-(?P<d>[0-9]+)[.]"
        answer "{{ .Name }} 5 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
        fallthrough
    }
    template IN ANY {
        match "^lb-[0-9]+-[0-9]+-[0-9]+-[0-9]+[.]"
        rcode NOERROR
        fallthrough
    }
    template ANY ANY {
        rcode NXDOMAIN
    }
}
.:53 {
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
""".replace("BALANCER_ZONE", BALANCER_ZONE)


def cluster_objects(dns_image: str) -> list[dict[str, Any]]:
    """All objects, in the order in which they have to be applied.

    Args:
        dns_image: full name of the CoreDNS image.
    """
    return [*_load_balancer_rights(), *_dns(dns_image)]


def _load_balancer_rights() -> list[dict[str, Any]]:
    name = "spanmesh:load-balancer"
    rules = [
        {"apiGroups": [""], "resources": ["services", "nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    return [_role(name, rules), _binding(name, {"apiGroup": _RBAC, "kind": "User", "name": name})]


def _dns(image: str) -> list[dict[str, Any]]:
    labels = {"k8s-app": "kube-dns"}
    meta = {"name": DNS_DEPLOYMENT, "namespace": DNS_NAMESPACE}
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    account = {"kind": "ServiceAccount", "name": DNS_DEPLOYMENT, "namespace": DNS_NAMESPACE}
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"requests": {"cpu": "20m", "memory": "30Mi"}, "limits": {"memory": "170Mi"}},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 30},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": DNS_DEPLOYMENT,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": DNS_DEPLOYMENT}}],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        _role("system:coredns", rules),
        _binding("system:coredns", account),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": _COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**meta, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": DNS_NAMESPACE, "labels": labels},
            "spec": {
                "selector": labels,
                "clusterIP": str(DNS_SERVICE_ADDRESS),
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                ],
            },
        },
    ]


_RBAC = "rbac.authorization.k8s.io"


def _role(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def _binding(role: str, subject: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
