"""Stand-ins for what a preview without clusters cannot have: kubeconfigs, secrets, certificates, other stacks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cli.stack_files import own_name
from topology import Mesh
from topology.defaults import merge

# TEST-NET-1 (RFC 5737): an address that nobody has.
GATEWAY_ADDRESS = "192.0.2.1"


def without_secrets(value: Any) -> Any:
    """A value of a stack file in which each encrypted text (`secure: …`) is a plain stand-in."""
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            return "stand-in"
        return {key: without_secrets(inner) for key, inner in value.items()}
    return [without_secrets(inner) for inner in value] if isinstance(value, list) else value


def with_stand_ins(declared: Mapping[str, Any], kubeconfig: Path, istio: Mapping[str, str]) -> dict[str, Any]:
    """A declared mesh that needs neither clusters, nor secrets, nor other stacks.

    Args:
        declared: the value of ``spanmesh:mesh``, already found valid.
        kubeconfig: file with a context for each cluster, named as the cluster; see :func:`unreachable_kubeconfig`.
        istio: ``version`` and ``charts`` to take in place of the declared ones; may be empty.
    """
    trust = {k: v for k, v in (declared.get("trust") or {}).items() if k not in ("root", "rootCertificate")}
    if rotation := trust.get("rotation"):
        trust["rotation"] = {"stage": rotation["stage"]}
    clusters = [_cluster(cluster, kubeconfig, istio) for cluster in declared["clusters"]]
    groups = {name: {"stack": own_name(group["stack"])} for name, group in (declared.get("groups") or {}).items()}
    return {
        **declared,
        "groups": groups,
        "trust": trust,
        "istio": merge(declared.get("istio") or {}, dict(istio)),
        "clusters": clusters,
    }


def _cluster(declared: Mapping[str, Any], kubeconfig: Path, istio: Mapping[str, str]) -> dict[str, Any]:
    cluster = {
        **declared,
        "kubeconfig": {"path": str(kubeconfig), "context": declared["name"]},
        "istio": {k: v for k, v in (declared.get("istio") or {}).items() if k not in istio},
        "trust": {k: v for k, v in (declared.get("trust") or {}).items() if k == "rotate"},
    }
    if isinstance(server := declared["apiServer"], Mapping):
        cluster["apiServer"] = {k: v for k, v in server.items() if k != "caCertificate"}
    return cluster


def unreachable_kubeconfig(names: list[str], port: int) -> str:
    """A kubeconfig with a context for each name; every API server is a port of this machine that refuses.

    Args:
        names: Istio's cluster names.
        port: a TCP port of 127.0.0.1 at which nobody listens.
    """
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": f"https://127.0.0.1:{port}"}} for name in names],
            "users": [{"name": name, "user": {"token": "stand-in"}} for name in names],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        }
    )


def group_state(project: str, stack: str, mesh: Mesh, group: str) -> dict[str, Any]:
    """The state of a group's stack that is up, as far as the stack for trust and links reads it.

    Returns:
        A deployment that `pulumi stack import` takes.
    """
    outputs = {
        "clusters": {
            cluster.name: {"eastWest": {"addresses": [GATEWAY_ADDRESS], "port": 15443}}
            for cluster in mesh.clusters
            if cluster.group == group
        }
    }
    kind = "pulumi:pulumi:Stack"
    root = {
        "urn": f"urn:pulumi:{stack}::{project}::{kind}::{project}-{stack}",
        "custom": False,
        "type": kind,
        "outputs": outputs,
    }
    return {"version": 3, "deployment": {"manifest": {}, "resources": [root]}}
