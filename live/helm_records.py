"""Helm's own records of releases: what a killed installation leaves, and how to clear it."""

import re

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from live.ownership import BASE, ISTIOD, NAMESPACE

RECORD = re.compile(r"^sh\.helm\.release\.v1\.(?P<release>.+)\.v(?P<revision>\d+)$")


def unfinished_records(access: ClusterAccess) -> list[str]:
    """Names of Helm's record Secrets of the mesh's releases that stand at ``pending-…``.

    A process that was killed leaves one, and Helm then refuses every further change ("another operation … is in
    progress", "cannot re-use a name that is still in use").
    """
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        secrets = core.list_namespaced_secret(NAMESPACE, label_selector="owner=helm", _request_timeout=TIMEOUT)
    return [
        secret.metadata.name
        for secret in secrets.items
        if (match := RECORD.match(secret.metadata.name))
        and match["release"] in (BASE, ISTIOD)
        and secret.metadata.labels.get("status", "").startswith("pending")
    ]


def delete_records(access: ClusterAccess, names: list[str]) -> None:
    """Delete the record Secrets; the objects that Helm had made stay."""
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        for name in names:
            core.delete_namespaced_secret(name, NAMESPACE, _request_timeout=TIMEOUT)
