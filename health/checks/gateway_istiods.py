"""SM664: whether an istiod has every pod of the east-west gateways."""

from collections.abc import Iterator

from health.check import Cause, Check, Result, found, ok
from health.checks.control_planes import known_facts
from health.examination import Examined
from health.observed import CutOff, Observed

REASON = 300

CUT_OFF = Cause(
    "SM664",
    "a gateway pod is cut off from istiod",
    "warning",
    symptom="Requests of other networks to new Services or subsets end with UF,URX, and the gateway logs "
    "`filter_chain_not_found`; what it knew already is passed on; later its certificate ends, and nothing is",
    cause="The pod cannot connect to istiod: it does not trust istiod's certificate, as its kubelet has not yet "
    "brought it the roots after a change of them by hand; istiod does not take its token; or port 15012 is not reached",
    cure="After a change of roots it comes back within two minutes. Where it stays: "
    "`kubectl -n istio-system rollout restart deployment/istio-eastwestgateway`; a new pod that does not become ready "
    "has the reason in its log",
    source="https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/",
)
GATEWAY_ISTIODS = Check(
    "gateway-istiods",
    "every ready pod of an east-west gateway is connected to an istiod",
    (CUT_OFF,),
    needs=("api-servers", "istiods", "trust-chains", "trust-roots", "gateways"),
)


def _gateway_istiods(observed: Observed) -> Iterator[Result]:
    cut_off, silent = known_facts(observed, GATEWAY_ISTIODS, lambda cluster: cluster.cut_off)
    for name, pods in cut_off.items():
        if pods:
            yield found(GATEWAY_ISTIODS, CUT_OFF, "; ".join(map(_of_pod, pods)), name)
        else:
            yield ok(GATEWAY_ISTIODS, name)
    yield from silent


def _of_pod(each: CutOff) -> str:
    said = f"{each.said[:REASON]} …" if len(each.said) > REASON else each.said
    return f"pod {each.pod} is ready, and among the proxies of no istiod{f'; its log: {said}' if said else ''}"


EXAMINED = (Examined(GATEWAY_ISTIODS, _gateway_istiods),)
