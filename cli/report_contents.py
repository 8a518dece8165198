"""What `spanmesh report` shows, found out: clusters, checks, requests, drift and the review of policy."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from cli.console import step
from cli.drift import expected
from cli.project import Stack
from cli.stack_files import own_name, stack_config
from health.check import Result, State
from health.checks import CHECKS, DRILLS, TRAFFIC
from health.drill import Drill
from health.examination import examine
from health.observed import Observed, ObservedCluster, Unknown
from judges.hearing import hear
from live.drift import ClusterDrift, Expected, drift_of
from live.observed import observe, second_look
from live.probe import Probe
from live.probe.drills import drills
from live.verification import OPTIONAL
from policy.files import read_items
from policy.finding import Finding
from policy.review import gather
from report import Contents, Drift, DriftedObject
from topology import load_sample
from topology.division import GROUP

NO_TRAFFIC = Unknown("--no-traffic was given")
# A probe that is older is made anew: another run takes one for a left-over after its time.
PROBE_SECONDS = 600
RUN_SECONDS = 900


@dataclass(frozen=True)
class Sight:
    """How to look at a stack's mesh.

    Attributes:
        stack: the stack.
        expected: what its clusters should hold.
        traffic: whether requests are sent.
        disruptive: whether drills are made too.
    """

    stack: Stack
    expected: Expected
    traffic: bool
    disruptive: bool

    @classmethod
    def of(cls, stack: Stack, *, traffic: bool, disruptive: bool) -> "Sight":
        """How to look at a stack; MeshConfigError where what it declares of policy is wrong."""
        return cls(stack, expected(stack), traffic, disruptive)

    def probe(self) -> "AbstractContextManager[Probe | None]":
        """The probe, where requests are sent."""
        if not self.traffic:
            return nullcontext()
        return Probe(self.stack.mesh, self.stack.accesses, run_seconds=RUN_SECONDS, progress=step)

    def look(self, probe: Probe | None, before: Contents | None = None) -> Contents:
        """Look once.

        Args:
            probe: what sends requests; None: none are sent.
            before: what was seen last, of which drills are kept and not made again.
        """
        started = time.monotonic()
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="report") as pool:
            compared = pool.submit(drift_of, self.stack.accesses, self.expected, lambda _: None)
            reviewed = pool.submit(self._findings) if before is None else None
            observed, results = self._examined(probe, before)
            drift = {each.cluster: _drift(each) for each in compared.result()}
            findings = reviewed.result() if reviewed else before.findings if before else ()
        # What does not apply to this mesh is nothing that could not be told.
        idle = [each for each in results if each.state is State.SKIPPED and each.check.name in OPTIONAL]
        notes = dict.fromkeys(f"Not applicable: {each.check.name}: {each.message}" for each in idle)
        told = [each for each in results if each not in idle]
        seconds = time.monotonic() - started
        return Contents(self.stack.name, observed, told, drift, findings, seconds, tuple(notes))

    def _examined(self, probe: Probe | None, before: Contents | None) -> tuple[Observed, Sequence[Result]]:
        observed = observe(self.stack.mesh, self.stack.accesses, done=_progress)
        observed = second_look(observed, self.stack.accesses, self.expected)
        if probe is None:
            quiet = [each for each in CHECKS if not each.check.probe]
            return replace(observed, matrix=NO_TRAFFIC), list(examine(observed, quiet))
        step("sending requests from every cluster")
        observed = probe.seen(observed)
        results = list(examine(observed, (*CHECKS, *TRAFFIC)))
        if not self.disruptive:
            return observed, results
        made: tuple[Drill, ...] | Unknown
        if before is not None and not isinstance(before.observed.drills, Unknown):
            made = before.observed.drills
        elif any(each.state is State.FAILED for each in results):
            made = Unknown("something failed: a mesh that is not well is not disturbed as well")
        else:
            made = tuple(drills(probe, observed, frozenset(each.check.name for each in DRILLS), step))
        observed = replace(observed, drills=made)
        return observed, list(examine(observed, (*CHECKS, *TRAFFIC, *DRILLS)))

    def _findings(self) -> Sequence[Finding]:
        config = stack_config(self.stack.project, self.stack.name)
        if config.get(GROUP):
            return ()
        mesh, project = self.stack.mesh, self.stack.project
        sample = load_sample(config.get("spanmesh:sample"))
        namespaces = {sample.namespace} if sample else frozenset[str]()
        gathered = gather(mesh, read_items(mesh.policies, project))
        return hear(mesh, gathered, project, None, own_name(self.stack.name), {}, namespaces).findings


def looks(sight: Sight, show: Callable[[Contents], None], pause: Callable[[], bool]) -> None:
    """Look again and again, with one probe for some time.

    Args:
        sight: how to look.
        show: told what was seen, each time.
        pause: waits until it is time to look again; False: it is over.
    """
    seen: Contents | None = None
    while True:
        until = time.monotonic() + PROBE_SECONDS
        with sight.probe() as probe:
            while time.monotonic() < until:
                seen = sight.look(probe, seen)
                show(seen)
                if not pause():
                    return


def _drift(found: ClusterDrift) -> Drift:
    objects = (DriftedObject(each.state, str(each), each.source, each.cure, each.diff) for each in found.deviations)
    return Drift(found.unknown, found.compared, tuple(objects))


def _progress(seen: ObservedCluster) -> None:
    silent = isinstance(seen.kubernetes, Unknown)
    step(f"{seen.name}: {'does not answer' if silent else 'looked at'} in {seen.seconds:.1f} s")
