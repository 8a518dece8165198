"""What was seen of a running mesh at one moment: the facts that checks judge, and nothing that they conclude."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from health.drill import Drill
from health.live_policy import LivePolicy
from health.matrix import Matrix
from health.proxy import Proxy
from policy.world import Pods, Service
from topology import Mesh
from topology.revisions import DEFAULT


@dataclass(frozen=True)
class Unknown:
    """Facts that could not be had.

    Attributes:
        reason: why, with the cure where there is one: a right that is missing, a pod that does not answer.
        status: HTTP status, where the API server answered by one; None: it did not answer, or nothing was asked.
    """

    reason: str
    status: int | None = None


@dataclass(frozen=True)
class RemoteCluster:
    """A cluster that one istiod reads, as /debug/clusterz says.

    Attributes:
        name: Istio's name of the cluster.
        secret: ``namespace/name`` of the Secret that it comes from; empty for the istiod's own cluster.
        status: istiod's word: ``synced``, ``syncing``, ``timeout``, ``closed``.
    """

    name: str
    secret: str
    status: str


@dataclass(frozen=True)
class NetworkGateway:
    """A gateway that one istiod knows, as /debug/networkz says."""

    network: str
    cluster: str
    address: str
    port: int


@dataclass(frozen=True)
class ProxySync:
    """How far one proxy is, as /debug/syncz says.

    Attributes:
        proxy: ``pod.namespace``.
        cluster: Istio's name of its cluster.
        type: ``sidecar`` or ``router``.
        version: its Istio version.
        states: by ``CDS``, ``LDS``, ``EDS`` and ``RDS``: ``SYNCED``, ``STALE``, ``NOT SENT`` or ``REJECTED``.
        errors: of rejected ones, Envoy's words (Istio 1.22 does not say them).
    """

    proxy: str
    cluster: str
    type: str
    version: str
    states: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Istiod:
    """One istiod pod.

    Attributes:
        pod: its name.
        ready: whether it is ready.
        reason: why it is not ready, or does not answer; empty where it does.
        version: its Istio version, as it says itself.
        started: when its container started.
        remotes: its own cluster and those that it reads.
        gateways: the network gateways that it knows.
        proxies: the proxies that are connected to it.
        metrics: by name, the sums of counters and gauges that checks look at, for example
            ``remote_cluster_sync_timeouts_total``.
        revision: its revision; `default`: it is without one.
    """

    pod: str
    ready: bool
    reason: str = ""
    version: str = ""
    started: datetime | None = None
    remotes: tuple[RemoteCluster, ...] = ()
    gateways: tuple[NetworkGateway, ...] = ()
    proxies: tuple[ProxySync, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    revision: str = DEFAULT


@dataclass(frozen=True)
class IstiodSettings:
    """What istiod was told of its place in the mesh: the environment of its Deployment, and the mesh's settings.

    Attributes:
        cluster: CLUSTER_ID.
        network: label ``topology.istio.io/network`` of istio-system; None: it has none.
        mesh_id: ``defaultConfig.meshId`` of the mesh's settings.
        trust_domain: ``trustDomain`` of the mesh's settings.
        replicas: pods that its Deployment wants; of several revisions, all of theirs.
    """

    cluster: str
    network: str | None
    mesh_id: str
    trust_domain: str
    replicas: int


@dataclass(frozen=True)
class Certificate:
    """One certificate.

    Attributes:
        subject: its subject.
        issuer: its issuer.
        fingerprint: SHA-256 of the whole certificate, lower-case hex.
        not_before: when its time begins.
        not_after: when its time ends.
        key_id: its extension subjectKeyIdentifier, lower-case hex; empty: it has none.
        issuer_key_id: key id of its issuer, by its extension authorityKeyIdentifier; empty: it has none.
    """

    subject: str
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    key_id: str = ""
    issuer_key_id: str = ""


@dataclass(frozen=True)
class Trust:
    """What a cluster signs with, and what it trusts.

    Attributes:
        chain: chain that istiod serves at 15012: its own certificate, the intermediate, and what follows.
        roots: the roots that istiod gives out: ConfigMap istio-ca-root-cert of istio-system.
        bundles: by namespace, the roots of its istio-ca-root-cert where they differ from ``roots``; none: empty.
    """

    chain: tuple[Certificate, ...]
    roots: tuple[Certificate, ...]
    bundles: Mapping[str, tuple[Certificate, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProxyTrust:
    """What one running proxy trusts and shows, as its /config_dump says of the secrets that it got.

    Attributes:
        proxy: ``pod.namespace``.
        roots: every root of its secret ROOTCA.
        chain: its own certificate and what follows, of its secret ``default``.
    """

    proxy: str
    roots: tuple[Certificate, ...]
    chain: tuple[Certificate, ...] = ()


@dataclass(frozen=True)
class RemoteKubeconfig:
    """A kubeconfig that istiod reads another cluster by; its token is never kept.

    Attributes:
        secret: name of the Secret that holds it, in istio-system.
        cluster: the key: Istio's name of the cluster that it leads to.
        server: https URL of the API server.
        authority: fingerprints of the certificates that it trusts; empty: it gives none.
        expires: when its token ends; None: never, or it cannot be told.
        token: SHA-256 of the token, to be held against the tokens that the peer has.
        problem: why it cannot be used as it is, for example an exec plug-in, which istiod refuses; empty: nothing.
    """

    secret: str
    cluster: str
    server: str
    authority: tuple[str, ...] = ()
    expires: datetime | None = None
    token: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Reader:
    """A token by which another cluster reads this one.

    Attributes:
        cluster: Istio's name of the cluster that reads.
        secret: name of the token's Secret.
        created: when it was made.
        last_used: day of its last use; None: never.
        expires: when it ends; None: with its Secret only.
        token: SHA-256 of the token.
    """

    cluster: str
    secret: str
    created: datetime
    last_used: date | None
    expires: datetime | None
    token: str = ""


@dataclass(frozen=True)
class GatewayPod:
    """A pod that the Service of a gateway selects.

    Attributes:
        name: its name.
        ready: whether it is ready.
        reason: why it is not; empty where it is.
        node: the node that it runs on.
        version: the tag of its proxy's image.
        proxy: whether it has a proxy of Istio at all.
    """

    name: str
    ready: bool
    reason: str = ""
    node: str = ""
    version: str = ""
    proxy: bool = True


@dataclass(frozen=True)
class EastWestGateway:
    """The Service and the pods of an east-west gateway.

    Attributes:
        type: type of the Service.
        addresses: IP addresses or host names at which other networks reach it.
        ports: port names and numbers, in the Service's order.
        network: label ``topology.istio.io/network`` of the Service; None: it has none.
        source_ranges: CIDRs that may reach it; empty: everyone.
        pods: its pods.
        events: the latest warnings of the Service: what the cloud says where there is no address.
    """

    type: str
    addresses: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]
    network: str | None
    source_ranges: tuple[str, ...] = ()
    pods: tuple[GatewayPod, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class CutOff:
    """A pod of the east-west gateway that is ready and that no istiod has among its proxies.

    Attributes:
        pod: its name.
        said: the last warning of its log about istiod; empty: it has none, or the log was not to be had.
    """

    pod: str
    said: str = ""


@dataclass(frozen=True)
class GatewayHandshake:
    """What a pod of one cluster got when it opened TLS to another cluster's east-west gateway.

    The server name is that of a Service of the other cluster as Istio's gateways know it
    (``outbound_.<port>_._.<name>.<namespace>.svc.cluster.local``), so that the gateway passes the connection through
    to a pod, whose certificate is then seen. https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/

    Attributes:
        peer: Istio's name of the gateway's cluster.
        address: address or host name that was connected to.
        port: its port.
        connected: whether the TCP connection came about.
        chain: certificates that were presented, leaf first; empty: the handshake did not get that far.
        identities: URIs of the leaf: the SPIFFE id of a workload.
        reason: what ended it; empty: the server's side of the handshake was whole.
    """

    peer: str
    address: str
    port: int
    connected: bool
    chain: tuple[Certificate, ...] = ()
    identities: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ObservedCluster:
    """What one cluster was seen to hold; whatever could not be had is :class:`Unknown`.

    Attributes:
        name: Istio's cluster name.
        kubernetes: version of its API server; Unknown: it does not answer, and neither is anything else known.
        answered: seconds until it had said its version, with the making of the connection.
        clock: seconds by which its API server's clock is ahead of this machine's.
        credentials: when those of the kubeconfig end by which it was asked; None: they do not say.
        settings: what istiod was told; None: there is no istiod.
        istiods: its istiod pods.
        trust: what it signs with and trusts.
        proxies_trust: what running proxies trust: those of the gateways.
        authority: fingerprints of the CAs of its API server: ConfigMap kube-root-ca.crt of istio-system.
        remote: the kubeconfigs that its istiods read by.
        readers: the tokens by which others read it.
        gateway: its east-west gateway; None: there is none.
        cut_off: pods of its east-west gateway that no istiod has; none: empty.
        handshakes: what its probe pod got of the east-west gateways of other networks.
        namespaces: by name, whether pods made in it are injected.
        services: its Services.
        unmeshed: running pods without sidecar in namespaces that are injected in some cluster of the mesh, but for
            those that ask for none; alike ones together.
        policy: the Istio policy that it holds.
        proxies: some of its proxies, asked at their admin port: gateways, a few sidecars, and those that are behind.
        seconds: how long all of it took.
    """

    name: str
    kubernetes: str | Unknown
    clock: float | Unknown = field(default_factory=lambda: Unknown("not asked"))
    settings: IstiodSettings | Unknown | None = field(default_factory=lambda: Unknown("not asked"))
    istiods: tuple[Istiod, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    trust: Trust | Unknown = field(default_factory=lambda: Unknown("not asked"))
    proxies_trust: tuple[ProxyTrust, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    authority: tuple[str, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    remote: tuple[RemoteKubeconfig, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    readers: tuple[Reader, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    gateway: EastWestGateway | Unknown | None = field(default_factory=lambda: Unknown("not asked"))
    cut_off: tuple[CutOff, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    handshakes: tuple[GatewayHandshake, ...] | Unknown = field(default_factory=lambda: Unknown("no probe was sent"))
    namespaces: Mapping[str, bool] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    services: tuple[Service, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    unmeshed: tuple[Pods, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    policy: LivePolicy | Unknown = field(default_factory=lambda: Unknown("not asked"))
    proxies: tuple[Proxy, ...] | Unknown = field(default_factory=lambda: Unknown("not asked"))
    seconds: float = 0
    answered: float = 0
    credentials: datetime | None = None


@dataclass(frozen=True)
class Observed:
    """A mesh as it is declared, and what was seen of it.

    Attributes:
        mesh: the declared mesh.
        at: when it was seen, by this machine's clock, with its time zone.
        clusters: by Istio's name, every cluster that was asked, in the mesh's order.
        matrix: what requests of the probe got, by Istio's name of the client's cluster.
        drills: the drills that were made; Unknown: none were.
    """

    mesh: Mesh
    at: datetime
    clusters: Mapping[str, ObservedCluster]
    matrix: Matrix | Unknown = field(default_factory=lambda: Unknown("no probe was sent"))
    drills: tuple[Drill, ...] | Unknown = field(default_factory=lambda: Unknown("drills disturb traffic: --disruptive"))
