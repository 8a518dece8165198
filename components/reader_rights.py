"""What an istiod has to be allowed in a cluster that it reads: found by leaving out one right after the other.

It lists and watches; it never asks for a single object, and changes nothing (docs/security.md, Access).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pulumi_kubernetes as k8s

from topology.checks.istio import version
from topology.revisions import DEFAULT

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


def in_istio_system(revisions: Iterable[str]) -> list[Right]:
    """What it reads of istio-system: the mesh's settings, which each revision has in a ConfigMap of its own.

    istio: pilot/pkg/serviceregistry/kube/controller/multicluster.go

    Args:
        revisions: of the istiods that read.
    """
    names = sorted({"istio" if each == DEFAULT else f"istio-{each}" for each in revisions})
    return [Right("", ["configmaps"], names=names, since=(1, 29))]


def rules(rights: Iterable[Right], istio_versions: Iterable[str]) -> list[k8s.rbac.v1.PolicyRuleArgs]:
    """The rules of a role that serves readers of several versions: what one of them needs, all may.

    Args:
        rights: :data:`IN_THE_CLUSTER` or :func:`in_istio_system`.
        istio_versions: versions of each reader's istiods; one that is a name, not a number, counts as new.
    """
    releases = [found.release if (found := version(text)) else None for text in istio_versions]
    return [
        k8s.rbac.v1.PolicyRuleArgs(
            api_groups=[right.group], resources=right.resources, resource_names=right.names or None, verbs=VERBS
        )
        for right in rights
        if right.since is None or any(release is None or release >= right.since for release in releases)
    ]
