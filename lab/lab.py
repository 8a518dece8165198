"""A lab as a whole: bringing it up, taking it down, and where its things are."""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, network
from lab.cluster import wait_until
from lab.errors import LabError
from lab.faults.faults import Faults
from lab.growth import grown
from lab.kubeconfig import entry, merged
from lab.load_balancer.cloud import Cloud, load_cloud
from lab.machine import Machine
from lab.node_programs import CLOUD_FILE, RegionPrograms, host_programs
from lab.outside import Outside
from lab.pki import ensure_pki
from lab.plan import LabPlan, RegionPlan
from lab.preflight import check_watches, prepare_machine
from lab.processes import end, marked_processes
from lab.region_start import RegionStart
from lab.state import LabFolders, Memory, known_labs, locked, ports_of_other_labs, write_atomically
from lab.status import LabStatus, collect
from lab.tools import LabTools, ensure_tools, system_archives, workload_archives

HOST_MACHINE = "host"
_FIRST_PORT = 16443


@dataclass(frozen=True)
class Progress:
    """One step of `up` or `down`.

    Attributes:
        region: the region it is about, or None for the lab as a whole.
        step: what is being done, or was done if `finished`.
        seconds: since the command began.
        finished: whether the region (or the lab) is ready.
    """

    region: str | None
    step: str
    seconds: float
    finished: bool = False


Report = Callable[[Progress], None]


def _silent(_: Progress) -> None:
    return


class Lab:
    """Real Kubernetes clusters in regions that reach each other by public addresses only, on this machine.

    Args:
        name: the lab's name, 1 to 20 lower-case letters and digits; several labs can stand side by side.

    Raises:
        LabError: the name cannot be used.
    """

    def __init__(self, name: str = "demo") -> None:
        self._folders = LabFolders(name)
        self.name = name

    def up(
        self,
        regions: int | None = None,
        nodes: int | None = None,
        istio_versions: Sequence[str] = (),
        flat: Sequence[Sequence[str]] = (),
        report: Report = _silent,
    ) -> None:
        """Bring the lab up, or repair it; what is there and healthy stays untouched.

        Args:
            regions: number of regions; None for what the lab has, 2 for a new one.
            nodes: nodes per region; None for what the lab has, 1 for a new one.
            istio_versions: versions of Istio whose images the nodes shall hold, on top of those they have.
            flat: groups of regions (or clusters) on one network, whose pods reach each other directly, on top of the
                groups that the lab has. What a region's pods have for addresses cannot change later.
            report: gets every step.

        Raises:
            LabError: the machine cannot run it, another command is changing it, or a part does not come up.
        """
        began = time.monotonic()

        def say(region: str | None, step: str, *, finished: bool = False) -> None:
            report(Progress(region, step, time.monotonic() - began, finished))

        prepare_machine(lambda line: say(None, line))
        with locked(self.name), _named_failures(self.name):
            memory = grown(
                self.name,
                self._folders.load(),
                regions=regions,
                nodes=nodes,
                istio_versions=istio_versions,
                flat=flat,
            )
            plan = memory.plan(self.name)
            # Before anything is written: a version of Istio that cannot be had must not stay with the lab.
            tools = ensure_tools(memory.istio_versions)
            down = [each for each in plan.regions if self._machine(plan, each.control_plane.machine).init() is None]
            check_watches(len(down))
            self._write_down(memory)
            say(None, "networks")
            network.ensure_wan(plan)
            for region in plan.regions:
                network.ensure_region(plan, region)
                ensure_pki(self._folders.pki(region.name), region)
            self._ensure_host_machine(plan, memory)
            self._write_kubeconfigs(plan, memory)
            say(None, "images")
            self._start_regions(plan, tools, say)
            host = self._machine(plan, HOST_MACHINE)
            wait_until(host.not_running_reason, seconds=30, what="forwarders from 127.0.0.1")
            self._folders.save(memory.model_copy(update={"complete": True}))
            say(None, "ready", finished=True)

    def down(self, report: Report = _silent) -> None:
        """Take the lab away with everything that belongs to it, whatever state it is in. No lab, no work.

        Raises:
            LabError: another command is changing it, or something of it cannot be removed.
        """
        began = time.monotonic()
        with locked(self.name), _named_failures(self.name):
            report(Progress(None, "ending processes", time.monotonic() - began))
            # The inits first: with each of them the kernel ends everything in its machine, containers as well.
            everything = marked_processes(self.name)
            end([each for each in everything if each.is_machine_init], grace=0, name=f"lab {self.name}")
            end(marked_processes(self.name), grace=2, name=f"lab {self.name}")
            report(Progress(None, "removing networks, cgroups and files", time.monotonic() - began))
            network.delete_namespaces(self.name)
            cgroups.delete_lab_groups(self.name)
            self._folders.delete()
            report(Progress(None, "down", time.monotonic() - began, finished=True))

    @property
    def exists(self) -> bool:
        """Whether anything of the lab is on this machine."""
        return self._folders.state.exists() or bool(
            network.lab_namespaces(self.name) or cgroups.lab_groups(self.name) or marked_processes(self.name)
        )

    @property
    def folder(self) -> Path:
        """Where everything of the lab is kept; gone after `down`."""
        return self._folders.state

    @property
    def regions(self) -> tuple[RegionPlan, ...]:
        """The lab's regions with their names and addresses.

        Raises:
            LabError: there is no such lab.
        """
        return self._folders.plan().regions

    def kubeconfig(self, region: str) -> Path:
        """The kubeconfig of one region for use on this machine; its context is named as the cluster.

        Args:
            region: name of the region, or of its cluster.

        Raises:
            LabError: there is no such lab or region, or its `up` did not get that far.
        """
        return self._existing(self._folders.kubeconfig(self._folders.plan().region(region).name))

    def merged_kubeconfig(self) -> Path:
        """One kubeconfig with a context per region: cluster1, cluster2, ...

        Raises:
            LabError: there is no such lab, or its `up` did not get that far.
        """
        self._folders.plan()
        return self._existing(self._folders.kubeconfig("all"))

    def status(self) -> LabStatus:
        """Every component of the lab, healthy or not, and why.

        Raises:
            LabError: there is no such lab.
        """
        plan = self._folders.plan()
        memory = self._folders.load()
        complete = memory is not None and memory.complete
        machines = {name: self._machine(plan, name) for name in machine_names(plan)}
        return collect(plan, machines, self._folders, complete=complete)

    def components(self) -> list[str]:
        """Names of all components that have a log, as `logs` takes them."""
        folder = self._folders.state / "machines"
        return sorted(f"{path.parent.parent.name}/{path.stem}" for path in folder.glob("*/log/*.log"))

    def logs(self, component: str) -> Path:
        """The log file of one component.

        Args:
            component: `<machine>/<program>`, for example `cn-north-4-node1/kubelet`.

        Raises:
            LabError: there is no such lab or component.
        """
        self._folders.plan()
        machine, _, program = component.partition("/")
        path = self._folders.machine(machine) / "log" / f"{program}.log"
        if component not in self.components():
            known = "\n  ".join(self.components()) or "none"
            raise LabError(f"lab {self.name} has no component {component!r}; it has\n  {known}")
        return path

    def machine(self, name: str) -> Machine:
        """One machine of the lab: `<region>-router`, `<region>-node<n>` or `host`.

        Raises:
            LabError: there is no such lab or machine.
        """
        plan = self._folders.plan()
        if name not in machine_names(plan):
            raise LabError(f"lab {self.name} has no machine {name!r}; it has {', '.join(machine_names(plan))}")
        return self._machine(plan, name)

    @property
    def outside(self) -> Outside:
        """A place on the WAN that is in no region.

        Raises:
            LabError: there is no such lab.
        """
        return Outside(self.name, self._folders.plan().namespace(network.OUTSIDE))

    @property
    def faults(self) -> Faults:
        """Faults of networks and machines, each for as long as a `with` block lasts.

        Raises:
            LabError: there is no such lab.
        """
        return Faults(self, self._folders.plan())

    def play_cloud(
        self,
        cloud: str | Path,
        *,
        regions: Sequence[str] = (),
        address_groups: Mapping[str, Sequence[str]] | None = None,
    ) -> Cloud:
        """Make load balancers behave as those of a cloud, within a second, also for Services that there are.

        Args:
            cloud: name of one that comes with the lab (`plain` for none in particular), or path of a file like theirs.
            regions: names of the regions, or of their clusters; none for all that the lab has now.
            address_groups: IPv4 ranges by id of the group, for access control.

        Raises:
            LabError: there is no such lab, region or cloud, or the file is not what it should be.
        """
        plan = self._folders.plan()
        chosen = [plan.region(name) for name in regions] or plan.regions
        found = load_cloud(cloud, address_groups)
        for region in chosen:
            path = self._folders.machine(region.router) / CLOUD_FILE
            write_atomically(path, found.model_dump_json(by_alias=True, indent=2) + "\n")
        return found

    def _start_regions(self, plan: LabPlan, tools: LabTools, say: Callable[..., None]) -> None:
        """Start all regions side by side; the first failure ends the waiting for the others."""
        archives = [*system_archives(tools), *workload_archives(tools)]
        stop = threading.Event()

        def start(region: RegionPlan) -> None:
            RegionStart(
                RegionPrograms(plan, region, self._folders, tools.kubernetes),
                router=self._machine(plan, region.router),
                nodes={node: self._machine(plan, node.machine, node.name) for node in region.nodes},
                kubeconfig=self._folders.kubeconfig(region.name),
                say=lambda step: say(region.name, step),
                stop=stop,
            ).run(archives)
            say(region.name, "ready", finished=True)

        with ThreadPoolExecutor(max_workers=len(plan.regions)) as pool:
            try:
                for future in as_completed([pool.submit(start, region) for region in plan.regions]):
                    future.result()
            finally:
                # One region failed, or the user interrupts.
                stop.set()

    def _machine(self, plan: LabPlan, name: str, hostname: str | None = None) -> Machine:
        namespace = None if name == HOST_MACHINE else plan.namespace(name)
        return Machine(self._folders, name, hostname=hostname or name, namespace=namespace)

    def _existing(self, path: Path) -> Path:
        if not path.exists():
            raise LabError(f"lab {self.name} is not up yet; bring it up with `spanmesh lab up {self.name}`")
        return path

    def _write_down(self, memory: Memory) -> None:
        """Before anything is made, so that `down` and the next `up` know of it."""
        self._folders.state.mkdir(parents=True, exist_ok=True)
        # Private keys of the clusters lie below.
        self._folders.state.chmod(0o700)
        self._folders.save(memory)

    def _ensure_host_machine(self, plan: LabPlan, memory: Memory) -> None:
        """The forwarders on 127.0.0.1. A port that another program took meanwhile is replaced by a free one."""
        host = self._machine(plan, HOST_MACHINE)
        running = host.init() is not None and host.supervisor.answers()
        listening = (
            {state.name.removesuffix("-api") for state in host.supervisor.states() if state.running}
            if running
            else set()
        )
        taken = ports_of_other_labs(self.name) | set(memory.ports.values())
        for region in plan.regions:
            port = memory.ports.get(region.name)
            if port is None or (region.name not in listening and not _is_free(port)):
                memory.ports[region.name] = next(
                    port for port in range(_FIRST_PORT, 65536) if port not in taken and _is_free(port)
                )
                taken.add(memory.ports[region.name])
        self._folders.save(memory)
        host.ensure_running(host_programs(self._folders, plan, memory.ports))

    def _write_kubeconfigs(self, plan: LabPlan, memory: Memory) -> None:
        entries = []
        for region in plan.regions:
            server = f"https://127.0.0.1:{memory.ports[region.name]}"
            each = entry(server, self._folders.pki(region.name), "admin", name=region.cluster)
            write_atomically(self._folders.kubeconfig(region.name), merged([each]), mode=0o600)
            entries.append(each)
        write_atomically(self._folders.kubeconfig("all"), merged(entries), mode=0o600)


@contextmanager
def _named_failures(lab: str) -> Iterator[None]:
    """Failures of the file system, a full disk above all, as the user should read them."""
    try:
        yield
    except OSError as error:
        cure = "make room and run the command again" if error.errno == errno.ENOSPC else "run the command again"
        raise LabError(f"lab {lab}: {error.strerror or error} ({error.filename or 'no file named'}); {cure}") from error


def lab_names() -> list[str]:
    """Names of all labs of which anything is on this machine, also of those that were left half up or half down."""
    return sorted({*known_labs(), *network.labs_with_namespaces(), *(each.lab for each in marked_processes())})


def machine_names(plan: LabPlan) -> list[str]:
    """Names of all machines of a lab."""
    names = [HOST_MACHINE]
    for region in plan.regions:
        names += region.machines
    return names


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As socat does; otherwise connections of a moment ago count as the port being taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
