"""A stack's state and what its clusters hold of trust, as the guard of the roots meets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from health.observed import Certificate, ProxyTrust, Unknown
from health.trust_change import HeldTrust, IstiodSigning
from live.kubeconfig import ClusterAccess
from live.observed.certificates import facts
from live.trust import guard
from tests.authority import Authority, root
from topology import Mesh, MeshConfigError, load_mesh
from topology.certificates import sha256
from topology.given_trust import GivenTrust

PRESENT, NEW, OTHER = root("Root CA"), root("Root CA 2"), root("Somebody Else")
CLUSTERS = ("cluster1", "cluster2")
ACCESSES = {name: ClusterAccess(name, {}) for name in CLUSTERS}


def print_of(authority: Authority) -> str:
    return sha256(authority.certificate)


def proxy(name: str, signer: Authority, *trusted: Authority) -> ProxyTrust:
    intermediate = signer.issue("Intermediate CA")
    chain = (intermediate.issue("workload", ca=False), intermediate)
    return ProxyTrust(name, tuple(_facts(each) for each in trusted), tuple(_facts(each) for each in chain))


def _facts(authority: Authority) -> Certificate:
    return facts(authority.certificate)


def held(signer: Authority, *trusted: Authority) -> HeldTrust:
    return HeldTrust((IstiodSigning("istiod-1", print_of(signer)),), (proxy("a.sample", signer, *trusted),), {})


NOBODY = HeldTrust((), (), {})


@dataclass
class World:
    """The stack's state and what the clusters hold."""

    state: dict[str, dict[str, Any]] = field(default_factory=dict)
    clusters: list[Mapping[str, HeldTrust | Unknown]] = field(default_factory=list)
    asked: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0
    refreshed: set[str] = field(default_factory=set)

    def root(self, generation: int, authority: Authority, **outputs: Any) -> None:
        """A root that Pulumi has made."""
        name = "mesh-trust-root" if generation == 1 else f"mesh-trust-root-{generation}"
        self._add("tls:index/privateKey:PrivateKey", f"{name}-key", {"algorithm": "ECDSA"})
        made = {"certPem": authority.pem, "validityPeriodHours": 87600.0, **outputs}
        self._add("tls:index/selfSignedCert:SelfSignedCert", f"{name}-cert", made)

    def record(self, signs: Authority, *trusted: Authority, clusters: Sequence[str] = CLUSTERS) -> None:
        """What the last update declared, of these clusters."""
        outputs = {"signs": [print_of(signs)], "trusted": sorted(print_of(each) for each in trusted)}
        self._add("spanmesh:index:Trust", "mesh-trust", outputs | {"clusters": {name: {} for name in clusters}})

    def record_of_old(self, authority: Authority) -> None:
        """What a program recorded that knew no rotations."""
        self._add("spanmesh:index:Trust", "mesh-trust", {"root": {"sha256": print_of(authority)}})

    def _add(self, kind: str, name: str, outputs: dict[str, Any]) -> None:
        self.state[f"urn:pulumi:prod::spanmesh::{kind}::{name}"] = {"type": kind, "outputs": outputs}

    def ask(self, _: Mapping[str, ClusterAccess]) -> Mapping[str, HeldTrust | Unknown]:
        self.asked += 1
        return self.clusters[min(self.asked, len(self.clusters)) - 1]


def mesh(trust: dict[str, Any] | None = None) -> Mesh:
    clusters = [{"name": name, "network": name, "apiServer": f"https://{name}.example.com"} for name in CLUSTERS]
    return load_mesh({"trust": trust or {}, "clusters": clusters})


def stage(name: str) -> dict[str, Any]:
    return {"rotation": {"stage": name}}


def guarded(world: World, trust: dict[str, Any] | None = None, given: GivenTrust | None = None) -> None:
    guard.guard_trust(mesh(trust), given or GivenTrust(), ACCESSES)


def refusal(world: World, trust: dict[str, Any] | None = None) -> str:
    with pytest.raises(MeshConfigError) as refused:
        guarded(world, trust)
    return str(refused.value)
