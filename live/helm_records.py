"""Helm's own records of releases: what a killed run leaves, and how to clear it."""

import re
from dataclasses import dataclass

from kubernetes import client

from live.client import TIMEOUT, api_client
from live.kubeconfig import ClusterAccess
from topology.defaults import BASE_RELEASE, NAMESPACE
from topology.revisions import is_istiod

RECORD = re.compile(r"^sh\.helm\.release\.v1\.(?P<release>.+)\.v\d+$")


@dataclass(frozen=True)
class HelmRecord:
    """One revision of a release, as Helm keeps it in a Secret.

    Attributes:
        secret: name of the Secret.
        release: name of the release.
        pending: whether the run that wrote it never came to its end.
        leaving: whether that run was to uninstall the release: part of its objects is gone.
    """

    secret: str
    release: str
    pending: bool
    leaving: bool = False

    def __str__(self) -> str:
        return self.secret


def helm_records(access: ClusterAccess) -> list[HelmRecord]:
    """The records of the mesh's releases in one cluster, and of every other istiod of istio-system."""
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        secrets = core.list_namespaced_secret(NAMESPACE, label_selector="owner=helm", _request_timeout=TIMEOUT)
    return [
        _record(match, secret.metadata.labels.get("status", ""))
        for secret in secrets.items
        if (match := RECORD.match(secret.metadata.name))
        and (match["release"] == BASE_RELEASE or is_istiod(match["release"]))
    ]


def _record(name: re.Match[str], status: str) -> HelmRecord:
    leaving = status == "uninstalling"
    return HelmRecord(name.string, name["release"], leaving or status.startswith("pending"), leaving)


def delete_records(access: ClusterAccess, records: list[HelmRecord]) -> None:
    """Delete records; the objects that Helm had made stay, and carry its ownership."""
    with api_client(access) as api:
        core = client.CoreV1Api(api)
        for record in records:
            core.delete_namespaced_secret(record.secret, NAMESPACE, _request_timeout=TIMEOUT)
