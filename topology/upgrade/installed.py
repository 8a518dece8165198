"""Which Istio a cluster has, as it was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Proxies:
    """Proxies of the workloads of one cluster; the mesh's own gateways are not among them.

    Attributes:
        versions: how many there are of each version; the text is empty where an image has no tag.
        namespaces: by version, the namespaces that have one.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Installed:
    """Which Istio one cluster has.

    Attributes:
        istiod: the version that its istiod was installed with; empty: it has none.
        gateways: for each of the mesh's gateways, by the name of its Deployment, the version that its pods are made
            for; empty where they do not say.
        proxies: those of its workloads; None where they were not asked for.
    """

    istiod: str = ""
    gateways: Mapping[str, str] = field(default_factory=dict)
    proxies: Proxies | None = None

    def differs(self, declared: str) -> bool:
        """Whether anything of it is of another version than the declared one; never of a cluster without istiod."""
        return bool(self.istiod) and {self.istiod, *self.gateways.values()} != {declared}
