"""The declared mesh as typed, strict models: the shape of ``spanmesh:mesh`` in a stack file."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from topology.declared import DNS_LABEL, DNS_NAME, REVISION_NAME, Declared
from topology.gateway import Gateway, Ingress
from topology.policy import DeclaredService, PolicyItem
from topology.source import Kubeconfig, Source, UrlOrApiServer


class IstioRevision(Declared):
    """An istiod beside the one of the default revision: https://istio.io/latest/docs/setup/upgrade/canary/."""

    name: str = Field(
        pattern=REVISION_NAME,
        description="Its name, for example 1-31-2; `default`: the istiod without a revision.",
    )
    version: str = Field(description="Its Istio version.")


class Istio(Declared):
    """Which Istio is installed, and with what values.

    On a cluster, each key given replaces the mesh-wide one; ``env``, ``values`` and ``tags`` are merged over the
    mesh-wide ones.
    """

    version: str | None = Field(None, description="Istio version, for example 1.30.5: chart version and image tag.")
    revision: str | None = Field(
        None,
        pattern=REVISION_NAME,
        description="Name of the default revision, whose version is `version`: its istiod injects what is labelled "
        "`istio-injection=enabled` and the mesh's gateways. Absent, or `default`: an istiod without a revision.",
    )
    revisions: list[IstioRevision] | None = Field(None, description="Istiods beside it, of other revisions.")
    tags: dict[Annotated[str, Field(pattern=REVISION_NAME)], str] = Field(
        default_factory=dict, description="Revision tags: by the name of a tag, the revision that it stands for."
    )
    hub: str | None = Field(None, description="Image hub, for example docker.io/istio.")
    charts: str | None = Field(
        None,
        description="Chart repository URL, or a folder with <version>/base and <version>/istiod.",
    )
    timeout_seconds: int | None = Field(None, gt=0, description="How long istiod may take to become ready.")
    image_pull_secrets: list[str] | None = Field(
        None, description="Secrets in istio-system by which the nodes pull Istio's images."
    )
    env: dict[str, str] = Field(default_factory=dict, description="Environment of istiod, for example PILOT_….")
    values: dict[str, Any] = Field(
        default_factory=dict, description="Values of the istiod chart, as Istio documents them."
    )


class RootRotation(Declared):
    """The replacement of the mesh's root CA, while it is under way: each stage is one `pulumi up`."""

    stage: Literal["both-trusted", "new-signs", "new-only"] = Field(
        description="`both-trusted`: the present root signs, both are trusted. `new-signs`: the new root signs, both "
        "are trusted. `new-only`: the present root is trusted no more."
    )
    to: Literal["generated", "provided"] = Field("generated", description="Where the new root comes from, as `root`.")
    root_certificate: Source | None = Field(None, description="The new root certificate, PEM; with `to: provided`.")


class Trust(Declared):
    """The root CA that every cluster's intermediate CA chains to."""

    root: Literal["generated", "provided"] = Field(
        "generated",
        description="`generated`: Pulumi makes the root key and keeps it encrypted. `provided`: the root's key is kept "
        "elsewhere, and each cluster's intermediate is given.",
    )
    root_certificate: Source | None = Field(None, description="The root certificate, PEM; with `root: provided`.")
    algorithm: Literal["ECDSA", "RSA"] = Field(
        "ECDSA", description="Algorithm of the keys that Pulumi makes: ECDSA P-256 or RSA."
    )
    rsa_bits: Literal[2048, 3072, 4096] = Field(4096, description="Length of the keys, with RSA.")
    root_validity_days: int = Field(3650, gt=0, description="Lifetime of a generated root certificate.")
    intermediate_validity_days: int = Field(
        730, gt=0, description="Lifetime of each intermediate that the generated root signs."
    )
    protect: bool = Field(
        True, description="Refuse `pulumi destroy` of a generated root (pulumi state unprotect lifts it)."
    )
    generation: int = Field(1, ge=1, description="Which root that Pulumi makes is the present one: a rotation adds 1.")
    rotation: RootRotation | None = Field(None, description="The replacement of the root; absent: none is under way.")


class NextIntermediate(Declared):
    """The intermediate CA of one cluster under the new root, during a rotation with `to: provided`."""

    certificate: Source | None = Field(None, description="As `certificate` of the cluster's `trust`.")
    key: Source | None = Field(None, description="As `key`; absent where Pulumi made the key (`request: true`).")


class ClusterTrust(Declared):
    """The intermediate CA of one cluster."""

    rotate: str = Field("", description="Any text; another one makes Pulumi issue a new intermediate key.")
    certificate: Source | None = Field(
        None, description="The intermediate certificate, PEM, with those between it and the root after it."
    )
    key: Source | None = Field(None, description="Its private key, PEM, not encrypted.")
    request: bool = Field(
        False,
        description="Export a certificate request for the key that Pulumi makes. With a provided root and no "
        "`certificate` yet, the cluster waits for it; a `certificate` without `key` is the answer to the request.",
    )
    next: NextIntermediate | None = Field(None, description="Its intermediate under the new root of a rotation.")


class Access(Declared):
    """The tokens by which istiods read other clusters."""

    rotate: str = Field("", description="Any text; another one makes new tokens, and ends the old ones.")


class Cluster(Declared):
    """One Kubernetes cluster of the mesh."""

    name: str = Field(pattern=DNS_LABEL, description="Istio's cluster name, unique in the mesh, a DNS label.")
    network: str = Field(
        pattern=DNS_LABEL,
        description="Istio's network; clusters with one network reach each other's pods directly.",
    )
    region: str | None = Field(None, description="Region, as in the node label topology.kubernetes.io/region.")
    group: str | None = Field(None, description="Group whose stack brings it up; one of `groups`.")
    cloud: str | None = Field(None, description="Preset of its load balancers (docs/clouds.md).")
    kubeconfig: Kubeconfig = Field(default_factory=Kubeconfig, description="How the operator reaches it.")
    skip_update_unreachable: bool = Field(
        False, description="While it does not answer, leave it as it is and go on with the other clusters."
    )
    linked: bool = Field(
        True, description="False: it reads no cluster and none reads it, whatever `links` says, but it stays as it is."
    )
    api_server: UrlOrApiServer = Field(description="https URL of its API server as the other clusters reach it.")
    egress: list[str] = Field(
        default_factory=list,
        description="CIDRs from which its traffic leaves: held against the `sourceRanges` of its peers.",
    )
    istio: Istio = Field(default_factory=Istio, description="Differences from the mesh.")
    trust: ClusterTrust = Field(default_factory=ClusterTrust, description="Its intermediate CA.")
    access: Access = Field(default_factory=Access, description="Its tokens, as one that reads others.")
    east_west: Gateway = Field(default_factory=Gateway, description="Its east-west gateway.")
    ingress: Ingress | None = Field(None, description="A north-south gateway; absent: none.")


class Reader(Declared):
    """Whose API servers the istiod of one cluster reads."""

    reader: str = Field(description="Cluster whose istiod reads.")
    peers: list[str] = Field(description="Clusters that it reads.")


class Hubs(Declared):
    """Hub and spoke: hubs and all others read each other; the others do not read one another."""

    hubs: list[str] = Field(min_length=1, description="Clusters that read, and are read by, every other cluster.")


class Group(Declared):
    """Clusters that one stack brings up."""

    stack: str = Field(description="The stack of this project that has `spanmesh:group` set to the group's name.")


def _form_of_links(value: object) -> str:
    if isinstance(value, dict | Hubs):
        return "literal[hubs]"
    return "list[readers]" if isinstance(value, list) else "literal[full]"


Links = Annotated[
    Annotated[Literal["full"], Tag("literal[full]")]
    | Annotated[Hubs, Tag("literal[hubs]")]
    | Annotated[list[Reader], Tag("list[readers]")],
    Discriminator(_form_of_links),
]


class Mesh(Declared):
    """The whole mesh."""

    id: str = Field("mesh1", pattern=DNS_LABEL, description="Istio's mesh id.")
    trust_domain: str = Field("cluster.local", pattern=DNS_NAME, description="SPIFFE trust domain of every workload.")
    istio: Istio = Field(default_factory=Istio, description="Istio in every cluster.")
    allow_version_skew: bool = Field(
        False, description="Accept Istio versions further apart than Istio supports, for the time of an upgrade."
    )
    upgrades_at_once: int = Field(
        1, ge=1, description="How many clusters change their Istio at the same time; the next wait until one is ready."
    )
    trust: Trust = Field(default_factory=Trust, description="Root and intermediates.")
    access: Access = Field(default_factory=Access, description="The tokens of every reader.")
    east_west: Gateway = Field(default_factory=Gateway, description="What every east-west gateway starts from.")
    groups: dict[str, Group] = Field(
        default_factory=dict, description="Divides the mesh: a stack for each group, and this one for trust and links."
    )
    clusters: list[Cluster] = Field(min_length=1, description="The clusters, in order.")
    links: Links = Field(
        "full",
        description="Who reads whom. `full`: every istiod every other cluster; `hubs`: hub and spoke; or the list.",
    )
    policies: list[PolicyItem] = Field(
        default_factory=list, description="Istio policy mirrored to every cluster, or to those that an item names."
    )
    services: list[DeclaredService] = Field(
        default_factory=list, description="Services that some clusters run, made in the others so that names resolve."
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
