"""SM70x: what clients felt of disruptions made on purpose."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from health.check import Cause, Check, Result, found, ok, skipped
from health.drill import Drill
from health.examination import Examined
from health.observed import Observed, Unknown

FAILOVER_PAGE = "https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/failover/"
GATEWAYS_PAGE = "https://istio.io/latest/docs/setup/install/multicluster/multi-primary_multi-network/"
ROTATION_ISSUE = "https://github.com/istio/istio/issues/61043"

NO_FAILOVER = Cause(
    "SM701",
    "no failover",
    "error",
    symptom="While the servers of one cluster are down, its clients are answered by nobody",
    cause="No other cluster's endpoints are known or reachable, or the failed ones are never left out",
    cure="Cure what the check `traffic` says of the pair; a Service needs a DestinationRule with outlierDetection to "
    "fail over by locality (the stack's `localityFailover` writes one)",
    source=FAILOVER_PAGE,
)
FAILED_MEANWHILE = Cause(
    "SM702",
    "requests fail during failover",
    "warning",
    symptom="Some requests fail while the servers of one cluster are down",
    cause="Until the failed endpoints are left out, retries of a request go to the same region",
    cure="Let retries leave the region (`retryRemoteLocalities`, which the stack's `localityFailover` sets), and see "
    "that requests can be retried",
    source=FAILOVER_PAGE,
)
NO_FAIL_BACK = Cause(
    "SM703",
    "no return after failover",
    "error",
    symptom="The servers of a cluster are well again, and its clients are still answered from elsewhere",
    cause="The pods do not become ready again, or istiod or the proxy does not learn of it",
    cure="Look at the pods' readiness and at the endpoints of the client's proxy; `baseEjectionTime` grows with each "
    "ejection",
    source="https://istio.io/latest/docs/reference/config/networking/destination-rule/#OutlierDetection",
)
GATEWAY_LOST = Cause(
    "SM704",
    "no answers after the loss of a gateway pod",
    "error",
    symptom="Requests to the cluster fail until somebody steps in",
    cause="The Deployment does not replace the pod, or the load balancer does not find the new one",
    cure="Look at the gateway's pods and events, and at the health check of its load balancer (port 15021)",
    source=GATEWAYS_PAGE,
)
GATEWAY_FELT = Cause(
    "SM705",
    "the loss of a gateway pod is felt",
    "warning",
    symptom="For some seconds requests to the cluster fail, or are answered by other clusters only",
    cause="The gateway has one pod, its drain is shorter than the load balancer's health check, or both",
    cure="Two replicas or more on different nodes (`eastWest.replicas`), and `eastWest.drainSeconds` above what the "
    "load balancer takes to notice",
    source=GATEWAYS_PAGE,
)
ENDPOINTS_LOST = Cause(
    "SM706",
    "a rotation of tokens loses endpoints",
    "error",
    symptom="After a rotation requests to other clusters fail until istiod is restarted",
    cause="istiod takes the changed remote Secret for another cluster and drops what it knew of the old one, or does "
    "not read it anew",
    cure="`kubectl -n istio-system rollout restart deployment istiod` brings them back; do not rotate before istiod is "
    "of a version that does not do so (1.30.4 or later)",
    source=ROTATION_ISSUE,
)
ROTATION_FELT = Cause(
    "SM707",
    "a rotation of tokens is felt",
    "warning",
    symptom="Some requests fail while the remote Secret changes",
    cause="Endpoints were away for a moment while istiod read the cluster anew",
    cure="Rotate at a quiet time, and see that requests can be retried",
    source="https://github.com/istio/istio/issues/36365",
)
NOT_UNDONE = Cause(
    "SM708",
    "a drill is not undone",
    "error",
    symptom="What the drill disturbed is not as it was before",
    cause="The cluster refused, or did not answer, when it was put right; or it broke off",
    cure="Look at what the message names; `spanmesh drift` shows what differs, and `pulumi up` puts it right",
    source="https://istio.io/latest/docs/ops/diagnostic-tools/multicluster/",
)
# Less than this between two answers is no outage on a busy machine.
GAP_SECONDS = 2.0

FAILOVER = Check(
    "failover",
    "clients are answered by another cluster while the servers of theirs fail",
    (NO_FAILOVER, FAILED_MEANWHILE, NO_FAIL_BACK, NOT_UNDONE),
    ("traffic",),
    probe=True,
)
GATEWAY_KILL = Check(
    "gateway-kill",
    "traffic goes on when a pod of an east-west gateway is lost",
    (GATEWAY_LOST, GATEWAY_FELT, NOT_UNDONE),
    ("traffic",),
    probe=True,
)
TOKEN_ROTATION = Check(
    "token-rotation",
    "a changed remote Secret costs neither endpoints nor requests",
    (ENDPOINTS_LOST, ROTATION_FELT, NOT_UNDONE),
    ("traffic", "remote-sync"),
    probe=True,
)


def _look(check: Check, judge: Callable[[Drill], Iterator[Result]]) -> Callable[[Observed], Iterator[Result]]:
    def look(observed: Observed) -> Iterator[Result]:
        if isinstance(observed.drills, Unknown):
            yield skipped(check, observed.drills.reason)
            return
        for drill in observed.drills:
            if drill.name != check.name:
                continue
            if not drill.undone:
                told = f"what the drill disturbed is not as before{f': {drill.reason}' if drill.reason else ''}"
                yield found(check, NOT_UNDONE, told, drill.client, drill.peer)
            elif not drill.samples:
                yield skipped(check, drill.reason, drill.client, drill.peer)
            else:
                yield from judge(drill)

    return look


def _failover(drill: Drill) -> Iterator[Result]:
    failed, back = drill.mark("servers fail"), drill.mark("servers are back")
    remote, local = drill.mark("first remote answer"), drill.mark("first local answer")
    if failed is None or remote is None:
        told = f"no other cluster answered after the servers of {drill.client} failed: {_failures(drill)}"
        yield found(FAILOVER, NO_FAILOVER, told, drill.client, drill.peer)
        return
    told = f"first answer from elsewhere after {remote - failed:.1f} s"
    if back is None or local is None:
        message = f"{told}, and none from {drill.client} again after its servers were back"
        yield found(FAILOVER, NO_FAIL_BACK, message, drill.client, drill.peer)
        return
    told += f", from {drill.client} again {local - back:.1f} s after its servers were back"
    if drill.mark("only local answers") is None:
        told += "; before, other clusters answered as well: the nodes have no regions or zones that differ"
    yield _felt(FAILOVER, FAILED_MEANWHILE, drill, told)


def _gateway_kill(drill: Drill) -> Iterator[Result]:
    if drill.reason or drill.mark("first answer of the replaced gateway") is None:
        told = drill.reason or f"{drill.peer} answered nothing after its gateway's pod was replaced: {_failures(drill)}"
        yield found(GATEWAY_KILL, GATEWAY_LOST, told, drill.client, drill.peer)
        return
    pause = longest_pause(drill, drill.peer)
    told = f"longest time without an answer from {drill.peer}: {pause:.1f} s"
    if pause > GAP_SECONDS and not drill.failures:
        told += f"; other clusters answered meanwhile, none of {len(drill.samples)} requests failed"
        yield found(GATEWAY_KILL, GATEWAY_FELT, told, drill.client, drill.peer)
    else:
        yield _felt(GATEWAY_KILL, GATEWAY_FELT, drill, told)


def _token_rotation(drill: Drill) -> Iterator[Result]:
    if drill.reason:
        yield found(TOKEN_ROTATION, ENDPOINTS_LOST, drill.reason, drill.client, drill.peer)
        return
    written, synced = drill.mark("remote Secret rewritten") or 0, drill.mark("istiods synced") or 0
    told = f"istiods synced {synced - written:.1f} s after the Secret changed, no endpoint lost"
    yield _felt(TOKEN_ROTATION, ROTATION_FELT, drill, told)


def longest_pause(drill: Drill, cluster: str) -> float:
    """The longest time between two answers from one cluster, in seconds; 0 where there are fewer than two."""
    times = [sample.at for sample in drill.samples if sample.answered == cluster]
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _felt(check: Check, cause: Cause, drill: Drill, told: str) -> Result:
    if drill.failures:
        return found(check, cause, f"{told}; {_failures(drill)}", drill.client, drill.peer)
    return ok(check, drill.client, drill.peer, f"{told}; none of {len(drill.samples)} requests failed")


def _failures(drill: Drill) -> str:
    kinds = sorted({sample.failure for sample in drill.failures})
    said = f" ({'; '.join(kinds[:3])})" if kinds else ""
    return f"{len(drill.failures)} of {len(drill.samples)} requests failed{said}"


EXAMINED = (
    Examined(FAILOVER, _look(FAILOVER, _failover)),
    Examined(GATEWAY_KILL, _look(GATEWAY_KILL, _gateway_kill)),
    Examined(TOKEN_ROTATION, _look(TOKEN_ROTATION, _token_rotation)),
)
