"""What is known of the clusters that one request has to do with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envoy.config_dump import ConfigDump
from envoy.endpoint import Endpoint, judged
from envoy.origin import Origin
from policy.hosts import SUFFIX
from policy.provenance import FILE


@dataclass(frozen=True)
class Unread:
    """Facts that could not be had, and why."""

    reason: str


@dataclass(frozen=True)
class Port:
    """A port of a Service; ``target`` is a number, or the name of a container's port."""

    name: str
    port: int
    target: int | str


@dataclass(frozen=True)
class Service:
    """A Kubernetes Service.

    Attributes:
        namespace: its namespace.
        name: its name.
        addresses: its cluster IPs; empty where it is headless.
        ports: its ports.
        selector: labels of its pods.
    """

    namespace: str
    name: str
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Its full name."""
        return f"{self.name}.{self.namespace}.{SUFFIX}"

    def port(self, number: int) -> Port | None:
        """The port of that number."""
        return next((port for port in self.ports if port.port == number), None)


@dataclass(frozen=True)
class Pod:
    """A pod.

    Attributes:
        cluster: Istio's name of its cluster.
        namespace: its namespace.
        name: its name.
        address: its IP address.
        labels: its labels.
        ready: whether it is ready.
        sidecar: whether it has an istio-proxy container.
        containers: names of its containers other than the proxy, the default one first.
        account: its ServiceAccount.
        owner: what made it: ``ReplicaSet/sleep-7b6dfffcc5``.
    """

    cluster: str
    namespace: str
    name: str
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    sidecar: bool = True
    containers: tuple[str, ...] = ()
    account: str = "default"
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it has these labels."""
        return all(self.labels.get(key) == value for key, value in labels.items())


@dataclass(frozen=True)
class Proxy:
    """A pod's proxy: its configuration, and the hosts of its clusters as it judges them."""

    pod: Pod
    config: ConfigDump
    hosts: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)

    def endpoints(self, cluster: str) -> tuple[Endpoint, ...]:
        """The endpoints of one of its clusters."""
        return judged(self.config.endpoints_of(cluster), self.hosts.get(cluster, ()))


@dataclass(frozen=True)
class Policy:
    """An object of Istio's policy, as it is live."""

    kind: str
    namespace: str
    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Policy":
        """From an object as an API server gives it."""
        metadata = item["metadata"]
        written = (metadata.get("annotations") or {}).get(FILE) or (metadata.get("labels") or {}).get(FILE) or ""
        return cls(
            str(item["kind"]), metadata.get("namespace") or "", metadata["name"], item.get("spec") or {}, written
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name} ({self.file or 'of no policy file of this stack'})"

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the pods that it is for; empty: all of its namespace."""
        chosen = self.spec.get("selector") or self.spec.get("workloadSelector") or {}
        return chosen.get("matchLabels") or chosen.get("labels") or {}

    def concerns(self, pod: Pod, root: str) -> bool:
        """Whether it applies to a pod.

        https://istio.io/latest/docs/reference/config/type/workload-selector/

        Args:
            pod: the pod.
            root: namespace whose policy is for all: istio-system.
        """
        if self.namespace not in (pod.namespace, root) or not pod.has(self.labels):
            return False
        # Kubernetes' Gateway API, or a waypoint's: not for sidecars.
        return not self.spec.get("targetRefs") and not self.spec.get("targetRef")


@dataclass(frozen=True)
class Site:
    """One cluster, as far as the request has to do with it.

    Attributes:
        name: Istio's name of it.
        network: the network that it is on.
        service: the Service that is asked; None: there is none.
        pods: pods that the Service selects.
        policies: the policy of the namespaces that the request has to do with.
        root: namespace whose policy is for all.
    """

    name: str
    network: str
    service: Service | Unread | None = None
    pods: tuple[Pod, ...] | Unread = ()
    policies: tuple[Policy, ...] | Unread = ()
    root: str = "istio-system"

    @property
    def known_policies(self) -> tuple[Policy, ...]:
        """Its policy; empty where it cannot be read."""
        return () if isinstance(self.policies, Unread) else self.policies

    @property
    def known_pods(self) -> tuple[Pod, ...]:
        """Pods of the Service; empty where they cannot be read."""
        return () if isinstance(self.pods, Unread) else self.pods

    def find(self, origin: Origin | None) -> Policy | None:
        """The object that a proxy's configuration was made from."""
        if origin is None:
            return None
        wanted = (origin.kind, origin.namespace, origin.name)
        return next((p for p in self.known_policies if (p.kind, p.namespace, p.name) == wanted), None)

    def declared(self, origin: Origin | None) -> tuple[str, ...]:
        """The same, in words; only its name where it cannot be read."""
        if origin is None:
            return ()
        return (str(self.find(origin) or origin),)

    def rules_for(self, host: str) -> tuple[Policy, ...]:
        """Its DestinationRules for a host."""
        return tuple(p for p in self.known_policies if p.kind == "DestinationRule" and _full(p) == host)


def _full(rule: Policy) -> str:
    host = str(rule.spec.get("host") or "")
    return host if "." in host else f"{host}.{rule.namespace}.{SUFFIX}"


def subset_labels(rules: Sequence[Policy], subset: str) -> Mapping[str, str] | None:
    """Labels of a subset; None where no rule has it."""
    for rule in rules:
        for each in rule.spec.get("subsets") or ():
            if each.get("name") == subset:
                return each.get("labels") or {}
    return None
