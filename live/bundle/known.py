"""The secrets that this process itself has read, so that their very bytes can be looked for."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from live.kubeconfig import ClusterAccess
from topology import Mesh
from topology.source import Source

# Of a user of a kubeconfig: what opens a cluster, and the files that hold it.
CREDENTIALS, FILES = ("token", "password", "client-key-data"), ("client-key", "tokenFile")
# How Pulumi is given the key to the secrets of a stack.
PULUMI = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN")
LARGEST = 1024 * 1024


def known_secrets(mesh: Mesh, accesses: Iterable[ClusterAccess]) -> set[str]:
    """Keys, tokens and passwords of the kubeconfigs and of the declared mesh.

    Args:
        mesh: the declared mesh, its secrets in plain.
        accesses: the operator's kubeconfigs.
    """
    found = {os.environ.get(name, "") for name in PULUMI}
    for access in accesses:
        found.update(_credentials(access.document))
    for source in _sources(mesh):
        found.update(_texts(source))
    return found - {""}


def _credentials(kubeconfig: Mapping[str, Any]) -> Iterator[str]:
    for entry in kubeconfig.get("users") or []:
        user = entry.get("user") or {}
        yield from (str(user[name]) for name in CREDENTIALS if user.get(name))
        yield from (_file(Path(user[name])) for name in FILES if user.get(name))
        provider = (user.get("auth-provider") or {}).get("config") or {}
        yield from (str(value) for name, value in provider.items() if name.endswith(("token", "secret")))
        yield from (str(each.get("value") or "") for each in (user.get("exec") or {}).get("env") or [])


def _sources(value: Any) -> Iterator[Source]:
    if isinstance(value, Source):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _sources(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _sources(each)
    elif isinstance(value, list):
        for each in value:
            yield from _sources(each)


def _texts(source: Source) -> Iterator[str]:
    """What a source holds that is secret: a key as a whole, of a kubeconfig what opens the cluster."""
    for text in (source.secret or "", os.environ.get(source.env, "") if source.env else ""):
        if "PRIVATE KEY" in text:
            yield text
        elif "users" in text:
            try:
                document = yaml.safe_load(text)
            except yaml.YAMLError:
                continue
            if isinstance(document, dict):
                yield from _credentials(document)
    if source.path and "PRIVATE KEY" in (text := _file(Path(source.path).expanduser())):
        yield text


def _file(path: Path) -> str:
    try:
        return path.read_text() if path.stat().st_size < LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""
