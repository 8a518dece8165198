"""Clients of the official Kubernetes library, from a kubeconfig as data."""

import base64
import copy
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config

from live.kubeconfig import ClusterAccess

CONNECT_SECONDS = 5
READ_SECONDS = 15
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
EMBEDDED = [
    ("clusters", "cluster", "certificate-authority"),
    ("users", "user", "client-certificate"),
    ("users", "user", "client-key"),
]


@contextmanager
def api_client(access: ClusterAccess) -> Iterator[client.ApiClient]:
    """A client of one cluster, closed afterwards.

    Nothing is retried; every call should pass ``_request_timeout=TIMEOUT``.
    """
    configuration = client.Configuration()
    with ExitStack() as files:
        document = _with_files(access.document, files)
        config.load_kube_config_from_dict(document, client_configuration=configuration)
        configuration.retries = False
        with client.ApiClient(configuration) as api:
            try:
                yield api
            finally:
                # The library's own close leaves the connections open.
                api.rest_client.pool_manager.clear()


def _with_files(document: dict[str, Any], files: ExitStack) -> dict[str, Any]:
    """The kubeconfig with the names of files for the certificates and keys that it holds.

    TLS wants files. The library would write them to the disk and leave them there until this process ends.
    """
    document = copy.deepcopy(document)
    for kind, section, name in EMBEDDED:
        for entry in document.get(kind) or []:
            held = entry.get(section) or {}
            if data := held.pop(f"{name}-data", None):
                held[name] = files.enter_context(_file(base64.b64decode(data)))
    return document


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Name of a file with this content, gone afterwards: in memory only where the system has such files (Linux)."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("kubeconfig"), "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            path.touch(mode=0o600)
            path.write_bytes(content)
            yield str(path)
