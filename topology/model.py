"""The declared mesh as typed, strict models: the shape of ``spanmesh:mesh`` in a stack file."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class Declared(BaseModel):
    """Base of every model: camelCase keys, no unknown keys, no changes after loading."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Kubeconfig(Declared):
    """Where the operator's kubeconfig of one cluster comes from.

    Without ``path`` and ``env`` it is what kubectl would use: the files of ``KUBECONFIG``, or ``~/.kube/config``.
    """

    path: str | None = Field(None, description="Kubeconfig file; `~` is expanded.")
    env: str | None = Field(None, description="Environment variable that holds the kubeconfig's text (not its path).")
    context: str | None = Field(None, description="Context to use; the kubeconfig's current context when absent.")


class Istio(Declared):
    """Which Istio is installed, and with what values.

    On a cluster, each key given replaces the mesh-wide one, and ``values`` are merged over the mesh-wide values.
    """

    version: str | None = Field(None, description="Istio version, for example 1.30.5: chart version and image tag.")
    hub: str | None = Field(None, description="Image hub, for example docker.io/istio.")
    charts: str | None = Field(
        None,
        description="Chart repository URL, or a folder with <version>/base and <version>/istiod.",
    )
    timeout_seconds: int | None = Field(None, gt=0, description="How long istiod may take to become ready.")
    values: dict[str, Any] = Field(
        default_factory=dict, description="Values of the istiod chart, as Istio documents them."
    )


class Resources(Declared):
    """Requests and limits of a container, as in a Deployment."""

    requests: dict[str, str] = Field(default_factory=dict, description="For example cpu: 100m, memory: 128Mi.")
    limits: dict[str, str] = Field(default_factory=dict, description="For example memory: 1Gi.")


class Gateway(Declared):
    """The east-west gateway of one cluster: ports 15021 (health) and 15443 (mutual TLS, by SNI)."""

    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the gateway's Service, for the cloud."
    )
    load_balancer_class: str | None = Field(None, description="spec.loadBalancerClass of the Service.")
    source_ranges: list[str] = Field(
        default_factory=list,
        description="CIDRs that may reach the gateway; empty means everyone.",
    )
    replicas: int = Field(2, ge=1, description="Gateway pods; autoscaling may go to five times as many.")
    resources: Resources = Field(
        default_factory=lambda: Resources(requests={"cpu": "100m", "memory": "128Mi"}),
        description="Requests and limits of the proxy.",
    )


class Ingress(Gateway):
    """An optional north-south ingress gateway of one cluster."""

    ports: list[int] = Field(default_factory=lambda: [80, 443], description="Ports besides 15021 (health).")


class Trust(Declared):
    """The root CA that every cluster's intermediate CA chains to."""

    root: Literal["generated"] = Field(
        "generated", description="`generated`: Pulumi makes the root key and keeps it encrypted."
    )
    algorithm: Literal["ECDSA", "RSA"] = Field(
        "ECDSA", description="Key algorithm of root and intermediates: ECDSA P-256 or RSA 4096."
    )
    root_validity_days: int = Field(3650, gt=0, description="Lifetime of the root certificate.")
    intermediate_validity_days: int = Field(730, gt=0, description="Lifetime of each intermediate certificate.")
    protect: bool = Field(
        True, description="Refuse `pulumi destroy` of the root key (pulumi state unprotect lifts it)."
    )


class Cluster(Declared):
    """One Kubernetes cluster of the mesh."""

    name: str = Field(pattern=DNS_LABEL, description="Istio's cluster name, unique in the mesh, a DNS label.")
    network: str = Field(
        pattern=DNS_LABEL,
        description="Istio's network; clusters with one network reach each other's pods directly.",
    )
    region: str | None = Field(None, description="Region, as in the node label topology.kubernetes.io/region.")
    kubeconfig: Kubeconfig = Field(default_factory=Kubeconfig, description="How the operator reaches it.")
    api_server: str = Field(description="https URL of its API server as the other clusters reach it.")
    istio: Istio = Field(default_factory=Istio, description="Differences from the mesh.")
    east_west: Gateway = Field(default_factory=Gateway, description="Its east-west gateway.")
    ingress: Ingress | None = Field(None, description="A north-south gateway; absent: none.")


class Reader(Declared):
    """Whose API servers the istiod of one cluster reads."""

    reader: str = Field(description="Cluster whose istiod reads.")
    peers: list[str] = Field(description="Clusters that it reads.")


class Mesh(Declared):
    """The whole mesh."""

    id: str = Field("mesh1", pattern=DNS_LABEL, description="Istio's mesh id.")
    trust_domain: str = Field("cluster.local", description="SPIFFE trust domain of every workload.")
    istio: Istio = Field(default_factory=Istio, description="Istio in every cluster.")
    trust: Trust = Field(default_factory=Trust, description="Root and intermediates.")
    clusters: list[Cluster] = Field(min_length=1, description="The clusters, in order.")
    links: Literal["full"] | list[Reader] = Field(
        "full", description="`full`: every istiod reads every other cluster; or the list."
    )

    def cluster(self, name: str) -> Cluster:
        """The cluster called ``name``; raises KeyError when there is none."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        raise KeyError(name)


class Sample(Declared):
    """The example workload: helloworld (one version a cluster) and a client in every cluster."""

    image: str = Field(description="Image with sh, curl and busybox's httpd.")
    namespace: str = Field("sample", pattern=DNS_LABEL, description="Namespace in every cluster.")
