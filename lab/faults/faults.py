"""The faults that a lab can have, each for as long as a `with` block lasts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lab.cluster import Cluster, wait_until
from lab.commands import environment
from lab.errors import LabError
from lab.faults import clock, rules, vdso
from lab.faults.delay import READY
from lab.network import NAMESPACES
from lab.plan import LabPlan, RegionPlan

if TYPE_CHECKING:
    from lab.lab import Lab

_API_SERVER = "kube-apiserver"
# Elsewhere they elect a leader and end when they cannot renew that; one that ran on would take every node for dead
# when it is back, for nobody could say otherwise meanwhile.
_CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
_API_SECONDS = 120


class Faults:
    """Faults of one lab. Regions are named by themselves or by their clusters.

    What a killed process leaves of them, `Lab.status` names and `Lab.up` takes away.

    Args:
        lab: the lab.
        plan: what it consists of.
    """

    def __init__(self, lab: Lab, plan: LabPlan) -> None:
        self._lab = lab
        self._plan = plan

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """Two regions lose the way to each other: packets vanish both ways, also of open connections.

        Raises:
            LabError: there is no such region, or it is the same twice.
        """
        first, second = self._pair(one, other)
        with self._way(rules.cut(first, second)), self._way(rules.cut(second, first)):
            yield

    @contextmanager
    def lossy(self, source: str, target: str, percent: float) -> Iterator[None]:
        """A share of the packets from one region to another is lost; the way back is good.

        Args:
            source: the region that packets leave.
            target: the region that they go to.
            percent: how many of a hundred are lost.

        Raises:
            LabError: there is no such region, it is the same twice, or the share is none.
        """
        with self._way(rules.lossy(*self._pair(source, target), percent)):
            yield

    @contextmanager
    def delayed(self, one: str, other: str, milliseconds: int) -> Iterator[None]:
        """Every packet between two regions is under way for so much longer, in each direction.

        Args:
            one: a region.
            other: the other one.
            milliseconds: how much longer one way; a round trip takes twice as much.

        Raises:
            LabError: there is no such region, it is the same twice, or the kernel has no queues of netfilter.
        """
        if not 0 < milliseconds <= 10_000:
            raise LabError(f"a delay of {milliseconds} ms cannot be had; take 1 to 10000")
        first, second = self._pair(one, other)
        with ExitStack() as both:
            for source, target in ((first, second), (second, first)):
                both.enter_context(self._held(source, target, milliseconds))
                both.enter_context(self._way(rules.queued(source, target, milliseconds)))
            yield

    @contextmanager
    def api_server_stopped(self, region: str) -> Iterator[None]:
        """A region's API server is away, for everybody, and so its controllers end; afterwards it is ready again.

        Raises:
            LabError: there is no such region, or the API server does not come back.
        """
        found = self._plan.region(region)
        supervisor = self._lab.machine(found.control_plane.machine).supervisor
        for program in (*_CONTROLLERS, _API_SERVER):
            supervisor.stop(program)
        try:
            yield
        finally:
            supervisor.start(_API_SERVER)
            cluster = Cluster(found.name, self._lab.kubeconfig(found.name))
            wait_until(cluster.not_ready_reason, seconds=_API_SECONDS, what=f"{found.name}: API server ready")
            supervisor.start(*_CONTROLLERS)

    @contextmanager
    def node_down(self, region: str, node: int = 1) -> Iterator[None]:
        """A node loses its power, with every container on it; afterwards the lab is whole again.

        Node 1 has the region's control plane: with it goes the API server.

        Args:
            region: the region.
            node: which of its nodes, counted from 1.

        Raises:
            LabError: there is no such node, or the lab does not come up again.
        """
        found = self._plan.region(region)
        if not 1 <= node <= len(found.nodes):
            raise LabError(f"lab {self._lab.name}: {found.name} has {len(found.nodes)} nodes, none with number {node}")
        self._lab.machine(found.nodes[node - 1].machine).stop(grace=0)
        try:
            yield
        finally:
            self._lab.up()

    @contextmanager
    def clock_wrong(self, region: str, seconds: int) -> Iterator[None]:
        """A region's clock is wrong: all its programs, in containers too, are told another time of day.

        Args:
            region: the region.
            seconds: how far it is ahead; negative: behind.

        Raises:
            LabError: there is no such region, the seconds are none, or it cannot be done on this machine.
        """
        found = self._plan.region(region)
        vdso.check(seconds)
        supervisor = self._lab.machine(found.control_plane.machine).supervisor
        try:
            with clock.wrong_clock(self._plan, found, seconds):
                yield
        finally:
            # Tokens that they have fetched meanwhile are refused until that time comes.
            for program in _CONTROLLERS:
                supervisor.stop(program)
            supervisor.start(*_CONTROLLERS)

    def _pair(self, one: str, other: str) -> tuple[RegionPlan, RegionPlan]:
        first, second = self._plan.region(one), self._plan.region(other)
        if first == second:
            raise LabError(f"lab {self._lab.name}: {first.name} has no way over the WAN to itself; name two regions")
        return first, second

    @contextmanager
    def _way(self, fault: rules.WayFault) -> Iterator[None]:
        fault.begin(self._plan)
        try:
            yield
        finally:
            fault.end(self._plan)

    @contextmanager
    def _held(self, source: RegionPlan, target: RegionPlan, milliseconds: int) -> Iterator[None]:
        enter = ["nsenter", f"--net={NAMESPACES / self._plan.namespace(source.router)}"]
        program = [sys.executable, "-P", "-m", "lab.faults.delay", str(rules.queue_number(target)), str(milliseconds)]
        with subprocess.Popen(
            [*enter, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self._lab.name),
        ) as holder:
            if holder.stdout is None or holder.stdin is None or holder.stderr is None:
                raise LabError("pipes to the program that delays packets are missing")
            if holder.stdout.readline().strip() != READY:
                raise LabError(f"packets cannot be delayed here: {holder.stderr.read().strip()[-400:]}")
            try:
                yield
            finally:
                # It lets go of what it holds, and ends.
                holder.stdin.close()
                holder.wait(10)
