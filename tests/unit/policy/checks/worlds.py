"""Worlds for the tables of checks: a mesh, its policy, and what is live, as the tables write them."""

from collections.abc import Mapping
from typing import Any

from policy.document import parse
from policy.finding import Finding
from policy.placement import place
from policy.world import Live, Pods, Service, ServicePort, World
from topology import Mesh, load_mesh
from topology.policy import Narrowed

REGIONS = ["cn-north-4", "cn-east-3", "cn-south-1"]


def mesh_of(networks: list[str], **more: Any) -> Mesh:
    """cluster1, cluster2, … on these networks, in the lab's regions."""
    clusters = [
        {
            "name": f"cluster{n}",
            "network": network,
            "region": REGIONS[n - 1],
            "apiServer": f"https://198.51.100.{n}:6443",
        }
        for n, network in enumerate(networks, 1)
    ]
    return load_mesh({"clusters": clusters, **more})


def live_of(written: Mapping[str, Any]) -> Live:
    """What a cluster holds: ``services`` and ``pods`` as in the tables, ``others`` as YAML."""
    return Live(
        services=tuple(_service(name, value or {}) for name, value in written.get("services", {}).items()),
        pods=tuple(
            Pods(p["namespace"], p["labels"], p.get("injected", True), p.get("ready", 1))
            for p in written.get("pods", [])
        ),
        namespaces=written.get("namespaces", {}),
        others=tuple(document.body for document in parse(written.get("others", ""), "others")),
    )


def world_of(case: Mapping[str, Any]) -> World:
    """The world of one row: ``mesh`` (networks, more keys), ``live`` by cluster, ``policy`` as YAML."""
    networks = case.get("mesh")
    mesh = mesh_of(networks, **case.get("more", {})) if networks else None
    placed, refused = place(mesh, [(d, Narrowed.model_validate({})) for d in parse(case["policy"], "policy.yaml")])
    assert not refused
    return World(mesh, tuple(placed), {name: live_of(value or {}) for name, value in case.get("live", {}).items()})


def summary(finding: Finding) -> str:
    """A finding as the tables write it: code, line, clusters."""
    return " ".join([finding.rule.code, str(finding.line), *finding.clusters])


def _service(full: str, value: Mapping[str, Any]) -> Service:
    namespace, name = full.split("/")
    ports = tuple(ServicePort(str(port), number) for port, number in value.get("ports", {"http": 5000}).items())
    selector = value.get("selector", {"app": name})
    return Service(
        namespace, name, ports, selector, value.get("type", "ClusterIP"), headless=value.get("headless", False)
    )
