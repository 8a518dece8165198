"""Namespaces that are to go by another revision: their label, then their workloads."""

import time
from collections.abc import Collection, Iterable

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.policy.api import NAMESPACES, Api
from live.reachability import explained
from topology.revisions import INJECTION, LABEL

# Until every API server goes by the new label.
SETTLE_SECONDS = 1.0


def present(access: ClusterAccess, names: Iterable[str]) -> list[str]:
    """Which of some namespaces a cluster has.

    Raises:
        UnreachableError: it does not answer.
    """
    with explained(access, "reading the namespaces"), api_client(access) as client:
        there = {each["metadata"]["name"] for each in Api(client).list(NAMESPACES)}
    return [name for name in names if name in there]


def label(access: ClusterAccess, names: Collection[str], revision: str) -> None:
    """Have new pods of namespaces injected by a revision; those that run keep their proxies.

    The elder label ``istio-injection`` goes, for where both are it is the one that counts:
    https://istio.io/latest/docs/setup/upgrade/canary/#data-plane

    Args:
        access: the cluster.
        names: the namespaces.
        revision: a revision or a tag.

    Raises:
        UnreachableError: it does not do it; those that are labelled already keep the label.
    """
    body = {"metadata": {"labels": {LABEL: revision, INJECTION: None}}}
    with explained(access, f"labelling namespaces {LABEL}={revision}"), api_client(access) as client:
        api = Api(client)
        for name in names:
            api.patch(NAMESPACES.path(name=name), "application/merge-patch+json", body, {"fieldManager": "spanmesh"})
    if names:
        time.sleep(SETTLE_SECONDS)
