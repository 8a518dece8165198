"""The operator's kubeconfig of a cluster, from where the stack file says."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from live.sources import Sources, fault
from topology import Cluster, Mesh, MeshConfigError, Problem
from topology.checks.keys import cluster_keys


@dataclass(frozen=True)
class ClusterAccess:
    """A cluster and the kubeconfig that opens it.

    Attributes:
        name: Istio's cluster name.
        document: kubeconfig with the one context in use, as data; contains credentials.
    """

    name: str
    document: dict[str, Any]

    @property
    def text(self) -> str:
        """The kubeconfig as YAML; contains credentials."""
        return yaml.safe_dump(self.document)

    @property
    def server(self) -> str:
        """URL of the API server as the operator reaches it."""
        return str(self.document["clusters"][0]["cluster"]["server"])

    def __repr__(self) -> str:
        return f"ClusterAccess({self.name!r})"


def read_access(cluster: Cluster, key: str, sources: Sources) -> ClusterAccess:
    """The kubeconfig of one declared cluster, cut down to one context.

    Args:
        cluster: the declared cluster.
        key: its key path, for messages.
        sources: reads what the stack file names.

    Raises:
        MeshConfigError: no such file, variable, secret, output or context, or it is not a kubeconfig.
    """
    texts = _texts(cluster, f"{key}.kubeconfig", sources)
    merged = _merge([_parse(key, text) for text in texts])
    context = cluster.kubeconfig.context or merged["current-context"]
    try:
        return ClusterAccess(cluster.name, _only(merged, context))
    except KeyError as error:
        known = ", ".join(sorted(merged["contexts"])) or "none"
        raise fault(
            f"{key}.kubeconfig.context",
            f"{error.args[0]} in {', '.join(text.where for text in texts)}",
            f"Contexts there: {known}",
        ) from None


@dataclass(frozen=True)
class _Text:
    """The text of a kubeconfig, what a message calls it, and where its relative paths start."""

    content: str
    where: str
    folder: Path


def _texts(cluster: Cluster, key: str, sources: Sources) -> list[_Text]:
    declared = cluster.kubeconfig
    if declared.path is not None:
        path = sources.file(declared.path)
        return [_Text(sources.read(declared, key), str(path), path.parent)]
    if declared.given:
        where = {
            "env": f"${declared.env}",
            "secret": "the secret",
            "stack": f"output {declared.output} of stack {declared.stack}",
        }[declared.given[0]]
        return [_Text(sources.read(declared, key), where, sources.project)]
    return _what_kubectl_uses(key)


def _what_kubectl_uses(key: str) -> list[_Text]:
    listed = os.environ.get("KUBECONFIG", "")
    paths = [Path(p) for p in listed.split(os.pathsep) if p] or [Path.home() / ".kube/config"]
    texts = []
    for path in paths:
        try:
            texts.append(_Text(path.read_text(), str(path), path.parent))
        except OSError as error:
            if len(paths) > 1:
                continue
            cure = "Give `path`, `env`, `secret` or `stack`, or set KUBECONFIG"
            raise fault(key, f"cannot read {path}: {error.strerror}", cure) from error
    return texts


def _parse(key: str, text: _Text) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text.content)
    except yaml.YAMLError:
        # The parser's own message would quote the file, which holds credentials.
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("clusters"), list):
        raise fault(f"{key}.kubeconfig", f"{text.where} is not a kubeconfig", "Give one that kubectl accepts")
    for entry in document.get("clusters") or []:
        _absolute(entry.get("cluster") or {}, ["certificate-authority"], text.folder)
    for entry in document.get("users") or []:
        _absolute(entry.get("user") or {}, ["client-certificate", "client-key", "tokenFile"], text.folder)
    return document


def _absolute(section: dict[str, Any], fields: list[str], base: Path) -> None:
    for name in fields:
        if section.get(name):
            section[name] = str(base / section[name])


def _merge(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Several kubeconfigs as kubectl merges them: the first to name a thing wins."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    for document in documents:
        merged["current-context"] = merged["current-context"] or document.get("current-context", "")
        for kind in ("clusters", "users", "contexts"):
            for entry in document.get(kind) or []:
                merged[kind].setdefault(entry["name"], entry)
    return merged


def _only(merged: dict[str, Any], context: str) -> dict[str, Any]:
    if not context:
        raise KeyError("no context is named and none is current")
    if context not in merged["contexts"]:
        raise KeyError(f"no context is called {context!r}")
    chosen = merged["contexts"][context]
    inside = chosen.get("context") or {}
    for kind, name in (("clusters", inside.get("cluster")), ("users", inside.get("user"))):
        if name not in merged[kind]:
            raise KeyError(f"context {context!r} names {name!r}, which is not among {kind}")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [chosen],
        "clusters": [merged["clusters"][inside["cluster"]]],
        "users": [merged["users"][inside["user"]]],
    }


def read_accesses(mesh: Mesh, members: Sequence[Cluster], sources: Sources) -> dict[str, ClusterAccess]:
    """The kubeconfig of each cluster, by Istio's cluster name.

    Args:
        mesh: the declared mesh.
        members: those of its clusters whose kubeconfigs are wanted.
        sources: reads what the stack file names.

    Raises:
        MeshConfigError: with the faults of every cluster.
    """
    accesses: dict[str, ClusterAccess] = {}
    problems: list[Problem] = []
    for key, cluster in cluster_keys(mesh):
        if cluster not in members:
            continue
        try:
            accesses[cluster.name] = read_access(cluster, key, sources)
        except MeshConfigError as error:
            problems += error.problems
    if problems:
        raise MeshConfigError(problems)
    return accesses
