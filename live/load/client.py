"""The client of the sample, in which a load runs: its pod, commands in it, and what they say."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from live.client import api_client
from live.kubeconfig import ClusterAccess
from live.load.traffic import REQUEST_SECONDS, client_pod
from live.pods.exec import pod_exec

HELLO = re.compile(r"Hello version: (?P<version>[^,\s]+), cluster: (?P<cluster>[^,\s]+),")
OK = 200
RECORD_END = "\x1e"


class LoadError(Exception):
    """The requests broke off before they were over."""


def load_pod(access: ClusterAccess, namespace: str) -> Any:
    """The pod ``app=sleep`` of a cluster, as read.

    Raises:
        NoClientError: the cluster has no running client.
    """
    with api_client(access) as api:
        return client_pod(client.CoreV1Api(api), access, namespace)


def run_in(access: ClusterAccess, pod: Any, script: str, seconds: float) -> str:
    """What a script prints, once it has ended.

    Args:
        access: the pod's cluster.
        pod: as :func:`load_pod` gave it.
        script: for the pod's shell.
        seconds: how long it runs at most, without what single requests may add.
    """
    metadata = pod.metadata
    command, limit = ["sh", "-c", script], seconds + 2 * REQUEST_SECONDS
    return pod_exec(access, metadata.name, metadata.namespace, metadata.labels["app"], command, limit)


def header_options(headers: Mapping[str, str] | None) -> str:
    """Headers of every request, as options of curl for a shell."""
    return " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in (headers or {}).items())
