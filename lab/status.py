"""The health of a lab, component by component."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel

from lab.cluster import Cluster, dns_reason
from lab.errors import LabError
from lab.faults import clock
from lab.faults.rules import faults_of
from lab.load_balancer.cloud import CloudFile
from lab.machine import Machine
from lab.network import OUTSIDE, WAN, lab_namespaces
from lab.node_programs import CLOUD_FILE
from lab.plan import LabPlan, RegionPlan
from lab.state import LabFolders


class ComponentStatus(BaseModel):
    """One component: a program of a machine, a machine, or something that the cluster says of itself.

    Attributes:
        name: what it is called; for a program, `<machine>/<program>` as `logs` takes it.
        healthy: whether it works.
        reason: why not; empty if it does.
    """

    name: str
    healthy: bool
    reason: str = ""


class RegionStatus(BaseModel):
    """One region.

    Attributes:
        name: name of the region.
        cluster: name of its cluster.
        api: its API server as other regions reach it.
        network: regions of one network reach each other's pods directly: network1, network2, ... in their order.
        pods: range of its pods' addresses.
        cloud: as those of which cloud its load balancers behave.
        components: all its components.
    """

    name: str
    cluster: str
    api: str
    network: str
    pods: str
    cloud: str
    components: list[ComponentStatus]

    @property
    def healthy(self) -> bool:
        """Whether all of it works."""
        return all(component.healthy for component in self.components)


class LabStatus(BaseModel):
    """A lab.

    Attributes:
        name: name of the lab.
        healthy: whether all of it works.
        components: what belongs to no region: the WAN, and the forwarders on 127.0.0.1.
        regions: the regions in order.
    """

    name: str
    healthy: bool
    components: list[ComponentStatus]
    regions: list[RegionStatus]


def collect(plan: LabPlan, machines: Mapping[str, Machine], folders: LabFolders, *, complete: bool) -> LabStatus:
    """Look at everything of a lab now.

    Args:
        plan: the lab as it should be.
        machines: its machines by name.
        folders: its folders.
        complete: whether its last `up` came to its end.
    """
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(_region, plan, region, machines, folders) for region in plan.regions]
        namespaces = set(lab_namespaces(plan.name))
        components = [
            *(_namespace(plan, name, namespaces) for name in (WAN, OUTSIDE)),
            _component("up", None if complete else "the last `up` did not come to its end; run it again"),
            *_machine("host", machines["host"]),
        ]
        regions = [future.result() for future in futures]
    healthy = all(each.healthy for each in components) and all(each.healthy for each in regions)
    return LabStatus(name=plan.name, healthy=healthy, components=components, regions=regions)


def _region(plan: LabPlan, region: RegionPlan, machines: Mapping[str, Machine], folders: LabFolders) -> RegionStatus:
    namespaces = set(lab_namespaces(plan.name))
    components = []
    for name in region.machines:
        if plan.namespace(name) not in namespaces:
            components.append(_component(name, f"network namespace {plan.namespace(name)} is missing"))
        components += _machine(name, machines[name])
    faults = ", ".join(faults_of(plan, region))
    cure = f"; what no command holds any more goes with `spanmesh lab up {plan.name}`"
    components.append(_component("ways to other regions", f"lab fault {faults}{cure}" if faults else None))
    components.append(_component("clock", f"lab fault clock{cure}" if clock.is_wrong(plan, region) else None))
    components += _cluster(plan, region, folders.kubeconfig(region.name))
    number = next(number for number, group in enumerate(plan.networks, start=1) if region in group)
    return RegionStatus(
        name=region.name,
        cluster=region.cluster,
        api=region.api_url,
        network=f"network{number}",
        pods=str(region.pod_network),
        cloud=CloudFile(folders.machine(region.router) / CLOUD_FILE).read().name,
        components=components,
    )


def _machine(name: str, machine: Machine) -> list[ComponentStatus]:
    try:
        reasons = machine.program_reasons()
    except LabError as error:
        return [_component(name, str(error))]
    return [_component(f"{name}/{program}", reason) for program, reason in reasons.items()]


def _cluster(plan: LabPlan, region: RegionPlan, kubeconfig: Path) -> list[ComponentStatus]:
    if not kubeconfig.exists():
        return [_component("API server", "the lab's `up` did not get as far as its kubeconfig")]
    cluster = Cluster(region.name, kubeconfig)
    unready = cluster.not_ready_reason()
    found = [_component("API server", unready)]
    if unready is not None:
        return found
    try:
        nodes = cluster.node_reasons()
        dns = cluster.dns_deployment_reason()
    except LabError as error:
        return [*found, _component("nodes", str(error))]
    for node in region.nodes:
        found.append(_component(f"node {node.name}", nodes.get(node.name, "it has not registered")))
    return [*found, _component("DNS", dns or dns_reason(plan.namespace(region.control_plane.machine)))]


def _namespace(plan: LabPlan, name: str, there: set[str]) -> ComponentStatus:
    namespace = plan.namespace(name)
    return _component(name, None if namespace in there else f"network namespace {namespace} is missing")


def _component(name: str, reason: str | None) -> ComponentStatus:
    return ComponentStatus(name=name, healthy=reason is None, reason=reason or "")
