"""What a router does to what leaves for another region while there is a fault on the way: rules in a chain of its own.

They act where packets leave for the WAN, on their destination there: each is one direction, for requests and answers.
"""

import re
from dataclasses import dataclass
from ipaddress import summarize_address_range

from lab.commands import run, succeeds
from lab.errors import LabError
from lab.network import NAMESPACES
from lab.plan import LabPlan, RegionPlan

CHAIN = "SPANMESH-FAULT"
_IPTABLES = ("iptables", "-w", "5", "-t", "mangle")


@dataclass(frozen=True)
class WayFault:
    """What befalls the packets from one region to another.

    Attributes:
        source: the region that they leave.
        target: the region that they go to.
        what: in words, such as `cut`.
        verdict: matches and target of iptables.
    """

    source: RegionPlan
    target: RegionPlan
    what: str
    verdict: tuple[str, ...]

    def rule(self, plan: LabPlan) -> list[str]:
        """The rule as arguments of iptables after chain and command."""
        comment = f"{self.what}: {self.source.name} to {self.target.name}"
        destinations = ",".join(addresses_seen(plan, self.source, self.target))
        return ["-o", "wan", "-d", destinations, "-m", "comment", "--comment", comment, *self.verdict]

    def begin(self, plan: LabPlan) -> None:
        """Put the rule in force.

        Raises:
            LabError: the router refuses it.
        """
        enter = _enter(plan, self.source)
        if not succeeds([*enter, *_IPTABLES, "-n", "-L", CHAIN]):
            run([*enter, *_IPTABLES, "-N", CHAIN])
            run([*enter, *_IPTABLES, "-A", "POSTROUTING", "-j", CHAIN])
        run([*enter, *_IPTABLES, "-A", CHAIN, *self.rule(plan)])

    def end(self, plan: LabPlan) -> None:
        """Take the rule away, if it is there: `up` may have been run meanwhile."""
        enter = _enter(plan, self.source)
        if succeeds([*enter, *_IPTABLES, "-C", CHAIN, *self.rule(plan)]):
            run([*enter, *_IPTABLES, "-D", CHAIN, *self.rule(plan)])


def cut(source: RegionPlan, target: RegionPlan) -> WayFault:
    """Everything on this way is lost without an answer, as where a line is cut."""
    return WayFault(source, target, "cut", ("-j", "DROP"))


def lossy(source: RegionPlan, target: RegionPlan, percent: float) -> WayFault:
    """A share of the packets on this way is lost, each by chance.

    Raises:
        LabError: it is no share.
    """
    if not 0 < percent <= 100:
        raise LabError(f"{percent:g} percent of loss cannot be had; take more than 0 and up to 100")
    chance = ("-m", "statistic", "--mode", "random", "--probability", f"{percent / 100:.6f}")
    return WayFault(source, target, f"{percent:g} percent lost", (*chance, "-j", "DROP"))


def queued(source: RegionPlan, target: RegionPlan, milliseconds: int) -> WayFault:
    """Every packet on this way is given to :mod:`lab.faults.delay`; none is held where that does not run."""
    queue = ("-j", "NFQUEUE", "--queue-num", str(queue_number(target)), "--queue-bypass")
    return WayFault(source, target, f"delayed by {milliseconds} ms", queue)


def queue_number(target: RegionPlan) -> int:
    """Number of the queue, on the router, of what is delayed on its way to a region."""
    return target.index


def addresses_seen(plan: LabPlan, source: RegionPlan, target: RegionPlan) -> list[str]:
    """The ranges under which one region meets another: its router, its load balancers, and pods on the same network."""
    pool = target.load_balancer_pool
    found = [f"{target.api_address}/32", *map(str, summarize_address_range(pool[0], pool[-1]))]
    if target in plan.flat_peers(source):
        found.append(str(target.pod_network))
    return found


def clear(plan: LabPlan, region: RegionPlan) -> None:
    """Take away every fault on the ways out of a region.

    Raises:
        LabError: the router refuses it.
    """
    if faults_of(plan, region):
        run([*_enter(plan, region), *_IPTABLES, "-F", CHAIN])


def faults_of(plan: LabPlan, region: RegionPlan) -> list[str]:
    """The faults on the ways out of a region now, in words."""
    try:
        listed = run([*_enter(plan, region), *_IPTABLES, "-S", CHAIN])
    except LabError:
        # No fault was ever made there, or there is no such router.
        return []
    return read_faults(listed)


def read_faults(listed: str) -> list[str]:
    """The faults in what `iptables -S` prints, each once: a rule with several ranges is listed as several rules."""
    return list(dict.fromkeys(re.findall(r'--comment "([^"]*)"', listed)))


def _enter(plan: LabPlan, region: RegionPlan) -> list[str]:
    return ["nsenter", f"--net={NAMESPACES / plan.namespace(region.router)}"]
