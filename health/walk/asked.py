"""What one request asks for, and which Service that may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.route import Request
from policy.hosts import SUFFIX

CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Asked:
    """A request that a client is about to send.

    Attributes:
        host: as the client writes it: a short name, a full one, an IP address.
        port: TCP port.
        path: with its query.
        method: HTTP method.
        headers: by lower-case name; of a session's token too, so never printed.
    """

    host: str
    port: int
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """URL of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}"

    @property
    def request(self) -> Request:
        """The same, as a route sees it."""
        authority = self.headers.get("host") or f"{self.host}:{self.port}"
        return Request(authority, self.path, self.method, self.headers)

    def service(self, namespace: str) -> tuple[str, str] | None:
        """Namespace and name of the Service that the name may be of; None where it can be of none.

        A resolver adds the pod's search domains: its namespace's, svc.cluster.local and cluster.local
        (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#namespaces-of-services).

        Args:
            namespace: the client's.
        """
        name = self.host.rstrip(".").lower()
        for ending in (f".{SUFFIX}", ".svc"):
            if name.endswith(ending):
                name = name.removesuffix(ending)
                return (name.split(".")[1], name.split(".")[0]) if name.count(".") == 1 else None
        if name.count(".") > 1 or ":" in name:
            return None
        service, dot, of = name.partition(".")
        return (of, service) if dot else (namespace, service)

    @property
    def only_service(self) -> bool:
        """Whether the name can only be a Service's: one without a dot, or one that ends as Services do."""
        name = self.host.rstrip(".").lower()
        return "." not in name or name.endswith((f".{SUFFIX}", ".svc"))
