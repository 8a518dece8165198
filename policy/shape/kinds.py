"""Which kinds are policy."""

GATEWAY_API = "gateway.networking.k8s.io"
ISTIO_GROUPS = frozenset({"networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io"})
POLICY_GROUPS = ISTIO_GROUPS | {GATEWAY_API}
CLUSTER_WIDE = frozenset({(GATEWAY_API, "GatewayClass")})

# Kinds of Kubernetes 1.36 that people keep beside policy, by group.
# https://kubernetes.io/docs/reference/kubernetes-api/
KUBERNETES: dict[str, str] = {
    "": "ConfigMap Endpoints Event LimitRange List Namespace Node PersistentVolume PersistentVolumeClaim Pod "
    "PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "batch": "CronJob Job",
    "autoscaling": "HorizontalPodAutoscaler",
    "policy": "PodDisruptionBudget",
    "networking.k8s.io": "IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR",
    "discovery.k8s.io": "EndpointSlice",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "admissionregistration.k8s.io": "MutatingWebhookConfiguration ValidatingAdmissionPolicy "
    "ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
    "storage.k8s.io": "CSIDriver StorageClass VolumeAttachment",
    "scheduling.k8s.io": "PriorityClass",
    "coordination.k8s.io": "Lease",
    "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
    "install.istio.io": "IstioOperator",
}


def is_policy(group: str, kind: str) -> bool:
    """Whether objects of this kind are traffic policy, which is mirrored."""
    return group in POLICY_GROUPS and (group, kind) not in CLUSTER_WIDE


def is_known_elsewhere(group: str, kind: str) -> bool:
    """Whether Kubernetes or Istio's installer has this kind, and it is no policy."""
    return kind in KUBERNETES.get(group, "").split() or (group, kind) in CLUSTER_WIDE
