"""Kubeconfig files, with the certificates inside."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml


def kubeconfig(server: str, pki: Path, identity: str, *, name: str) -> str:
    """A kubeconfig for one cluster as YAML.

    Args:
        server: URL of the API server.
        pki: folder of the cluster's keys and certificates.
        identity: whose key and certificate in that folder to use.
        name: name of the cluster, the user and the context.
    """
    return merged([entry(server, pki, identity, name=name)])


def entry(server: str, pki: Path, identity: str, *, name: str) -> dict[str, Any]:
    """One cluster's part of a kubeconfig, for `merged`."""
    return {
        "name": name,
        "cluster": {"server": server, "certificate-authority-data": _data(pki / "ca.crt")},
        "user": {
            "client-certificate-data": _data(pki / f"{identity}.crt"),
            "client-key-data": _data(pki / f"{identity}.key"),
        },
    }


def merged(entries: Sequence[Mapping[str, Any]]) -> str:
    """A kubeconfig with a context per entry as YAML; the first is the current one."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": each["name"], "cluster": each["cluster"]} for each in entries],
            "users": [{"name": each["name"], "user": each["user"]} for each in entries],
            "contexts": [
                {"name": each["name"], "context": {"cluster": each["name"], "user": each["name"]}} for each in entries
            ],
            "current-context": entries[0]["name"],
        },
        sort_keys=False,
    )


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
