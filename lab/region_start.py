"""Starting one region: machines, control plane, images, nodes, DNS, each as soon as what it needs is there."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.cluster import Cluster, dns_reason, wait_until
from lab.cluster_objects import cluster_objects
from lab.errors import LabError
from lab.faults import clock
from lab.faults import rules as fault_rules
from lab.images import Archive
from lab.machine import Machine
from lab.node_programs import CONTAINERD_SOCKET, RegionPrograms
from lab.plan import NodePlan
from lab.router_rules import ensure_router_rules

_API_SECONDS = 120
_NODE_SECONDS = 120
_DNS_SECONDS = 120
_PROGRAM_SECONDS = 30
_IMPORT_SECONDS = 300


@dataclass(frozen=True)
class RegionStart:
    """Everything needed to start one region.

    Attributes:
        programs: what runs on its machines.
        router: its router.
        nodes: its nodes.
        kubeconfig: the operator's kubeconfig for its cluster.
        say: gets each step.
        stop: ends all waiting once it is set.
    """

    programs: RegionPrograms
    router: Machine
    nodes: Mapping[NodePlan, Machine]
    kubeconfig: Path
    say: Callable[[str], None]
    stop: threading.Event

    def run(self, archives: Sequence[Archive]) -> None:
        """Start the region, or the parts of it that do not run, and wait until it works.

        Args:
            archives: the images that every node shall hold, the system's first.

        Raises:
            LabError: a part does not come up in time; the message has its reason.
        """
        region = self.programs.region
        ensure_router_rules(self.programs.plan, region)
        fault_rules.clear(self.programs.plan, region)
        clock.clear(self.programs.plan, region)
        self.say("starting router and nodes")
        self.router.ensure_running(self.programs.router(), self.programs.router_files())
        for node, machine in self.nodes.items():
            machine.ensure_running(self.programs.node(node), self.programs.node_files(node), kubelet=True)
        # Programs that somebody stopped by hand.
        for node, machine in self.nodes.items():
            machine.supervisor.start(*(each.name for each in self.programs.node(node) if each.autostart))
        self.router.supervisor.start(*(each.name for each in self.programs.router() if each.autostart))
        with ThreadPoolExecutor(max_workers=len(self.nodes)) as pool:
            imports = [pool.submit(self._import, machine, archives) for machine in self.nodes.values()]
            cluster = self._start_kubernetes()
            cluster.apply(cluster_objects(_reference(archives, "coredns")))
            self.router.supervisor.start("load-balancer")
            self.say("waiting for nodes to be Ready")
            self._wait(lambda: self._nodes_reason(cluster), seconds=_NODE_SECONDS, what=f"{region.name}: nodes Ready")
            for node in self.nodes:
                cluster.set_pod_network(node)
            self.say("waiting for DNS to answer")
            namespace = self.programs.plan.namespace(region.control_plane.machine)
            self._wait(
                lambda: cluster.dns_deployment_reason() or dns_reason(namespace),
                seconds=_DNS_SECONDS,
                what=f"{region.name}: DNS",
            )
            self.say("waiting for images")
            for each in imports:
                each.result()
        for machine in (self.router, *self.nodes.values()):
            self._wait(
                machine.not_running_reason, seconds=_PROGRAM_SECONDS, what=f"{region.name}: all programs running"
            )

    def _wait(self, reason: Callable[[], str | None], *, seconds: float, what: str) -> None:
        wait_until(reason, seconds=seconds, what=what, stop=self.stop)

    def _start_kubernetes(self) -> Cluster:
        region = self.programs.region
        self.say("waiting for the API server")
        cluster = Cluster(region.name, self.kubeconfig)
        self._wait(cluster.not_ready_reason, seconds=_API_SECONDS, what=f"{region.name}: API server ready")
        self.say("starting Kubernetes")
        for node, machine in self.nodes.items():
            machine.supervisor.start(*self.programs.late_programs(node))
        return cluster

    def _nodes_reason(self, cluster: Cluster) -> str | None:
        try:
            reasons, heartbeats = cluster.node_reasons(), cluster.heartbeats()
            for node, machine in self.nodes.items():
                if node.name not in reasons:
                    return f"{node.name} has not registered; see the log of {node.machine}/kubelet"
                if reasons[node.name] is not None:
                    return f"{node.name}: {reasons[node.name]}"
                # What the cluster says of a node may be of before it was started anew.
                kubelet = next(each for each in machine.supervisor.states() if each.name == "kubelet")
                started = datetime.now(UTC) - timedelta(seconds=kubelet.seconds_running)
                if not kubelet.running or node.name not in heartbeats or heartbeats[node.name] < started:
                    return f"{node.name}: its kubelet has not reported yet; see the log of {node.machine}/kubelet"
        except LabError as error:
            return str(error)
        return None

    def _import(self, machine: Machine, archives: Sequence[Archive]) -> None:
        ctr = ["ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]

        def reason() -> str | None:
            try:
                plugins = machine.run([*ctr, "plugins", "list"], timeout=5)
            except LabError as error:
                return str(error)
            # It runs on without the plug-in that kubelet talks to, for example when it could watch no files.
            if any(words[1:2] == ["cri"] and words[-1] != "ok" for words in map(str.split, plugins.splitlines())):
                return f"its plug-in cri did not load; see the log of {machine.name}/containerd"
            return None

        self._wait(reason, seconds=60, what=f"{machine.name}: containerd ready")
        held = {}
        for line in machine.run([*ctr, "images", "list"]).splitlines()[1:]:
            name, _, digest = line.split()[:3]
            held[name] = digest
        for archive in archives:
            if self.stop.is_set():
                raise LabError(f"{machine.name}: images no longer imported")
            if held.get(archive.reference) != archive.digest:
                machine.run([*ctr, "images", "import", archive.path], timeout=_IMPORT_SECONDS)


def _reference(archives: Sequence[Archive], name: str) -> str:
    return next(each.reference for each in archives if f"/{name}:" in each.reference)
