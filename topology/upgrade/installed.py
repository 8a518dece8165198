"""Which Istio a cluster has, as it was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from topology.model import Istio
from topology.revisions import DEFAULT, declared_revisions, default_revision


@dataclass(frozen=True)
class Proxies:
    """Proxies of the workloads of one cluster; the mesh's own gateways are not among them.

    Attributes:
        versions: how many there are of each version; the text is empty where an image has no tag.
        namespaces: by version, the namespaces that have one.
        revisions: by the revision that has injected them, those of it.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    revisions: Mapping[str, "Proxies"] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.versions.values())

    @property
    def where(self) -> list[str]:
        """The namespaces that have one."""
        return sorted(frozenset[str]().union(*self.namespaces.values()))

    def of(self, revision: str) -> "Proxies":
        """Those of one revision; of a cluster without named ones, all are of the one that it has."""
        return self.revisions.get(revision, Proxies()) if self.revisions else self


@dataclass(frozen=True)
class Installed:
    """Which Istio one cluster has.

    Attributes:
        istiod: the version that its istiod without a revision was installed with; empty: it has none.
        gateways: for each of the mesh's gateways, by the name of its Deployment, the version that its pods are made
            for; empty where they do not say.
        proxies: those of its workloads; None where they were not asked for.
        named: by the name of a revision, the version that its istiod was installed with.
        injected_by: for each of the mesh's gateways that asks for a revision, its name.
        tags: by the name of a tag that a stack has made, the revision that it stands for.
        foreign_tags: tags that somebody else has made.
        asked: by namespace, the revision or tag that its label names.
    """

    istiod: str = ""
    gateways: Mapping[str, str] = field(default_factory=dict)
    proxies: Proxies | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    injected_by: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    foreign_tags: frozenset[str] = frozenset()

    @property
    def revisions(self) -> dict[str, str]:
        """By the name of each revision, the version that its istiod was installed with."""
        return {**({DEFAULT: self.istiod} if self.istiod else {}), **self.named}

    def differs(self, declared: Istio) -> bool:
        """Whether an istiod or a gateway of it is not as declared; never of a cluster without istiod.

        An istiod that is not declared any more is no difference: it goes at the end of an update.

        Args:
            declared: its Istio, complete.
        """
        present, default = self.revisions, default_revision(declared)
        if not present:
            return False
        wanted = {each.name: each.version for each in declared_revisions(declared)}
        return (
            any(present.get(name) != version for name, version in wanted.items())
            or any(version != default.version for version in self.gateways.values())
            or any(self.injected_by.get(gateway, DEFAULT) != default.name for gateway in self.gateways)
        )
