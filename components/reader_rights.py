"""What an istiod has to be allowed in a cluster that it reads: found by leaving out one right after the other.

It lists and watches; it never asks for a single object, and changes nothing (docs/security.md, Access).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pulumi_kubernetes as k8s

from topology.checks.istio import version

VERBS = ["list", "watch"]


@dataclass(frozen=True)
class Right:
    """Objects of one API group that are listed and watched.

    Attributes:
        group: the API group.
        resources: their plural names.
        names: only the objects of these names; empty means all.
        since: first version of Istio, as major and minor, whose istiod does not sync without; None: every one.
    """

    group: str
    resources: list[str]
    names: list[str] = field(default_factory=list)
    since: tuple[int, int] | None = None


IN_THE_CLUSTER = [
    Right("", ["namespaces", "nodes", "pods", "secrets", "services"]),
    Right("discovery.k8s.io", ["endpointslices"]),
    Right("networking.istio.io", ["workloadentries"]),
    Right("apiextensions.k8s.io", ["customresourcedefinitions"]),
    # istio: pkg/kube/multicluster/cluster.go
    Right("gateway.networking.k8s.io", ["gateways"], since=(1, 30)),
]
# istio: pilot/pkg/serviceregistry/kube/controller/multicluster.go
IN_ISTIO_SYSTEM = [Right("", ["configmaps"], names=["istio"], since=(1, 29))]


def rules(rights: Iterable[Right], istio_versions: Iterable[str]) -> list[k8s.rbac.v1.PolicyRuleArgs]:
    """The rules of a role that serves readers of several versions: what one of them needs, all may.

    Args:
        rights: :data:`IN_THE_CLUSTER` or :data:`IN_ISTIO_SYSTEM`.
        istio_versions: version of each reader's istiod; one that is a name, not a number, counts as new.
    """
    releases = [found.release if (found := version(text)) else None for text in istio_versions]
    return [
        k8s.rbac.v1.PolicyRuleArgs(
            api_groups=[right.group], resources=right.resources, resource_names=right.names or None, verbs=VERBS
        )
        for right in rights
        if right.since is None or any(release is None or release >= right.since for release in releases)
    ]
