"""What the user declares of a gateway."""

from typing import Literal

from pydantic import Field

from topology.declared import Declared


class Resources(Declared):
    """Requests and limits of a container, as in a Deployment."""

    requests: dict[str, str] = Field(default_factory=dict, description="For example cpu: 100m, memory: 128Mi.")
    limits: dict[str, str] = Field(default_factory=dict, description="For example memory: 1Gi.")


class Toleration(Declared):
    """A toleration, as in a Pod."""

    key: str | None = Field(None, description="Taint key; absent with operator Exists: every taint.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Equal or Exists.")
    value: str | None = Field(None, description="Taint value, with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Taint effect; absent: every effect."
    )
    toleration_seconds: int | None = Field(None, ge=0, description="How long NoExecute is tolerated.")


class Gateway(Declared):
    """The east-west gateway of one cluster: ports 15021 (health) and 15443 (mutual TLS, by SNI)."""

    type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field(
        "LoadBalancer", description="spec.type of the gateway's Service."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the gateway's Service, for the cloud."
    )
    load_balancer_class: str | None = Field(None, description="spec.loadBalancerClass of the Service.")
    external_ips: list[str] = Field(
        default_factory=list,
        alias="externalIPs",
        description="spec.externalIPs of the Service: addresses that lead to the nodes by the user's own routing.",
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None, description="spec.externalTrafficPolicy of the Service; absent: what Kubernetes takes."
    )
    source_ranges: list[str] = Field(
        default_factory=list,
        description="CIDRs that may reach the gateway; empty means everyone.",
    )
    replicas: int = Field(2, ge=1, description="Gateway pods at least.")
    max_replicas: int | None = Field(None, ge=1, description="Gateway pods at most; absent: five times `replicas`.")
    drain_seconds: int = Field(
        20, ge=1, description="How long a pod that ends goes on serving: a load balancer learns of it with delay."
    )
    max_connections: int = Field(
        20_000,
        ge=1,
        description="Connections that one pod holds at each of its ports. What comes beyond is closed at once; those "
        "that are there stay. A proxy opens at least one for each remote Service that it calls.",
    )
    min_ready_seconds: int = Field(
        5,
        ge=0,
        description="How long a new pod has to be ready before an old one may end: a load balancer learns of it with "
        "delay.",
    )
    resources: Resources = Field(
        default_factory=lambda: Resources(requests={"cpu": "100m", "memory": "128Mi"}),
        description="Requests and limits of the proxy.",
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels of the nodes that may run the gateway's pods."
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, description="Taints of nodes that the gateway's pods accept."
    )


class Ingress(Gateway):
    """An optional north-south ingress gateway of one cluster."""

    ports: list[int] = Field(default_factory=lambda: [80, 443], description="Ports besides 15021 (health).")
