"""Every named check, then real traffic, until nothing fails or the time for that is over."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from health.check import Result, State
from health.checks import CHECKS, DRILLS, TRAFFIC
from health.examination import Examined, examine
from health.observed import Observed, ObservedCluster, Unknown
from live.drift import Expected
from live.kubeconfig import ClusterAccess
from live.observed import observe, second_look
from live.probe import REQUESTS, RUN_SECONDS, Probe, ProbeError
from live.probe.drills import drills
from topology import Mesh

EVERY: tuple[Examined, ...] = (*CHECKS, *TRAFFIC)
AGAIN_SECONDS = 2
# Of checks that do not apply to every mesh, the reason is all there is to say.
OPTIONAL = frozenset({"plain-text"})
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Verification:
    """What the checks say.

    Attributes:
        observed: the facts, as they were last seen.
        results: what the checks say of them, in order.
        passes: how often everything was looked at.
        seconds: how long all of it took, making and removing the probe included.
        left: what of the probe could not be removed, and how it goes; empty: nothing.
    """

    observed: Observed
    results: Sequence[Result]
    passes: int
    seconds: float
    left: str = ""

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return has_failed(self.results)

    @property
    def untold(self) -> list[Result]:
        """What could not be told although it should have been: skipped is not ok."""
        return [r for r in self.results if r.state is State.SKIPPED and not r.because and r.check.name not in OPTIONAL]


def has_failed(results: Sequence[Result]) -> bool:
    """Whether one of them failed."""
    return any(result.state is State.FAILED for result in results)


def verify(
    mesh: Mesh,
    accesses: Mapping[str, ClusterAccess],
    checks: Sequence[Examined] = EVERY,
    *,
    expected: Expected | None = None,
    seconds: float = TIMEOUT_SECONDS,
    requests: int = REQUESTS,
    progress: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Look at everything, send requests where a check wants them, and look again while something fails.

    Drills are made where a check of :data:`health.checks.DRILLS` is among the checks, once nothing fails.

    Args:
        mesh: the declared mesh.
        accesses: its clusters, by Istio's name.
        checks: what to hold against it.
        expected: what the stack declares of policy; None: nobody says.
        seconds: after these nothing is looked at again. A mesh that is well takes one pass.
        requests: how many requests from each cluster's client.
        progress: told what happens, one line each, from any thread.

    Raises:
        ProbeError: the probe could not be removed, and nothing was found out.
    """
    started = time.monotonic()
    found: Verification | None = None
    try:
        with ExitStack() as stack:
            # Its pods start while the clusters are asked.
            probe = stack.enter_context(_probe(mesh, accesses, seconds, progress)) if _sends(checks) else None
            look = partial(_look, mesh, accesses, expected, probe, requests, progress)
            found = _verified(look, checks, started + seconds, probe, progress)
    except ProbeError as error:
        # A cluster that dies meanwhile must not cost the findings.
        if found is None:
            raise
        found = replace(found, left=str(error))
    return replace(found, seconds=time.monotonic() - started)


def _verified(
    look: Callable[[], Observed],
    checks: Sequence[Examined],
    until: float,
    probe: Probe | None,
    progress: Callable[[str], None],
) -> Verification:
    steady = [each for each in checks if each not in DRILLS]
    disruptive = [each for each in checks if each in DRILLS]
    passes = 0
    while True:
        passes += 1
        observed = look()
        results = list(examine(observed, steady))
        left = until - time.monotonic()
        if not has_failed(results) or left <= AGAIN_SECONDS:
            break
        failing = sum(result.state is State.FAILED for result in results)
        progress(f"{failing} failed; looking again for {left:.0f} s more")
        time.sleep(AGAIN_SECONDS)
    if probe and disruptive:
        observed = _with_drills(probe, observed, disruptive, failed=has_failed(results), progress=progress)
        # Again as a whole: what a drill says may follow from what was said before.
        results = list(examine(observed, [*steady, *disruptive]))
    if probe:
        progress("removing the probe")
    return Verification(observed, results, passes, 0)


def _look(
    mesh: Mesh,
    accesses: Mapping[str, ClusterAccess],
    expected: Expected | None,
    probe: Probe | None,
    requests: int,
    progress: Callable[[str], None],
) -> Observed:
    observed = observe(mesh, accesses, done=lambda cluster: progress(_told(cluster)))
    observed = second_look(observed, accesses, expected)
    if probe is None:
        return observed
    progress("sending requests from every cluster")
    return probe.seen(observed, requests)


def _with_drills(
    probe: Probe,
    observed: Observed,
    wanted: Sequence[Examined],
    *,
    failed: bool,
    progress: Callable[[str], None],
) -> Observed:
    if failed:
        return replace(observed, drills=Unknown("something failed: a mesh that is not well is not disturbed as well"))
    names = frozenset(each.check.name for each in wanted)
    return replace(observed, drills=tuple(drills(probe, observed, names, progress)))


def _sends(checks: Sequence[Examined]) -> bool:
    return any(each.check.probe for each in checks)


def _probe(mesh: Mesh, accesses: Mapping[str, ClusterAccess], seconds: float, progress: Callable[[str], None]) -> Probe:
    # Another run that finds it after this time takes it for left over.
    return Probe(mesh, accesses, run_seconds=RUN_SECONDS + seconds, progress=progress)


def _told(cluster: ObservedCluster) -> str:
    if isinstance(cluster.kubernetes, Unknown):
        return f"{cluster.name}: {cluster.kubernetes.reason}"
    return f"{cluster.name}: looked at in {cluster.seconds:.1f} s"
